// Command standin takes the place of Mailpit and Jaeger where their images cannot be had:
// it accepts mails on :1025 and every request on the other ports. With "readyz" it reports
// whether it does.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "readyz" {
		connection, err := net.DialTimeout("tcp", "127.0.0.1:1025", time.Second)
		if err != nil {
			os.Exit(1)
		}
		_ = connection.Close()
		return
	}
	failed := make(chan error)
	for _, address := range []string{":4318", ":8025", ":13133", ":16686"} {
		server := &http.Server{Addr: address, Handler: http.HandlerFunc(accept), ReadHeaderTimeout: time.Minute}
		go func() { failed <- server.ListenAndServe() }()
	}
	go func() { failed <- receiveMails(":1025") }()
	fmt.Fprintln(os.Stderr, "error:", <-failed)
	os.Exit(1)
}

func accept(http.ResponseWriter, *http.Request) {}

func receiveMails(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go receive(connection)
	}
}

// receive speaks SMTP until the other side ends.
func receive(connection net.Conn) {
	defer connection.Close()
	inMail := false
	fmt.Fprint(connection, "220 standin\r\n")
	for lines := bufio.NewScanner(connection); lines.Scan(); {
		verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " ")
		switch {
		case inMail && verb != ".":
		case verb == "DATA":
			inMail = true
			fmt.Fprint(connection, "354 go on\r\n")
		case verb == "QUIT":
			fmt.Fprint(connection, "221 bye\r\n")
			return
		default:
			inMail = false
			fmt.Fprint(connection, "250 ok\r\n")
		}
	}
}
