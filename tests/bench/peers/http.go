package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// httpConn is one kept connection with one request under way: net/http would cost more CPU than the broker.
//
// Threads: one at a time.
type httpConn struct {
	socket net.Conn
	in     *bufio.Reader
	out    []byte
	answer []byte
}

func dialHTTP(port string) *httpConn {
	socket, err := net.Dial("tcp", "127.0.0.1:"+port)
	check(err)
	return &httpConn{socket: socket, in: bufio.NewReaderSize(socket, 64<<10)}
}

// call returns the answer's status and body, which is good until the next call.
func (c *httpConn) call(method, target string, body []byte) (int, []byte, error) {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, target, len(body))
	c.out = append(c.out, body...)
	if _, err := c.socket.Write(c.out); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil || len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("no status line: %q %w", line, err)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		line, err = c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		name, value, named := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !named {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		}
	}
	c.answer = append(c.answer[:0], make([]byte, length)...)
	_, err = io.ReadFull(c.in, c.answer)
	return status, c.answer, err
}
