package openapi

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
)

// known returns what is known of a document before it is fetched for the first time: the
// one that was built in, or the copy of the last one that was fetched.
func (c *Cache) known(ctx context.Context, name string) *part {
	if document := builtIn(name); document != nil || c.Folder == "" {
		return &part{document: document}
	}
	text, err := os.ReadFile(c.copyOf(name))
	if err != nil {
		return &part{} // none has been kept yet
	}
	p := &part{}
	info, err := os.Stat(c.copyOf(name))
	if err == nil {
		p.fetched = info.ModTime()
		err = json.Unmarshal(text, &p.document)
	}
	if err != nil {
		c.Log.WarnContext(ctx, "the copy of an API document cannot be read", "upstream", name, "error", err)
		return &part{}
	}
	return p
}

// keep writes a copy of a document that is not built in, if it has any paths. The file is
// replaced as a whole, so that a crash leaves the one before.
func (c *Cache) keep(ctx context.Context, name string, document Document) {
	if _, ok := document["paths"].(Document); !ok || c.Folder == "" || builtIn(name) != nil {
		return
	}
	if err := c.write(name, document); err != nil {
		c.Log.WarnContext(ctx, "no copy of an API document can be kept: make GATEWAY_DOCUMENTS a folder that can be written to",
			"upstream", name, "error", err)
	}
}

func (c *Cache) write(name string, document Document) error {
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Folder, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(c.Folder, "document-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // it is gone if all went well
	if _, err := temporary.Write(text); err != nil {
		_ = temporary.Close() // the first error counts
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), c.copyOf(name))
}

// copyOf returns the file of an upstream's document. Its name cannot lead out of the folder.
func (c *Cache) copyOf(name string) string {
	return filepath.Join(c.Folder, "openapi-"+url.PathEscape(name)+".json")
}

// pathOf returns the path of a URL, for a sentence.
func pathOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Path
}
