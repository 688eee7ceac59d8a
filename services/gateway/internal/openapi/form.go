package openapi

const formType = "application/x-www-form-urlencoded"

// openForm leaves out that a form may have further fields, which is so unless it is
// forbidden: some generators fail at the keyword.
func openForm(operation, components Document) {
	body, _ := operation["requestBody"].(Document)
	content, _ := body["content"].(Document)
	form, _ := content[formType].(Document)
	schema := referred(form["schema"], components)
	if schema["additionalProperties"] == true {
		delete(schema, "additionalProperties")
	}
}
