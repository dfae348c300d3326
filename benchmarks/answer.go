package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// errAnswer is an answer that this client cannot read; the servers here do not send it.
var errAnswer = errors.New("answer without Content-Length, or larger than the buffer")

// readAnswer looks at the received part of an HTTP answer: its whole length once that is known to be
// there, 0 while more must come. A client without pipelining gets nothing beyond it.
func readAnswer(b []byte) (status, length int, err error) {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return 0, 0, nil
	}
	if len(b) < 13 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("not an HTTP answer: %.40q", b)
	}
	status, err = strconv.Atoi(string(b[9:12]))
	if err != nil {
		return 0, 0, fmt.Errorf("not an HTTP answer: %.40q", b)
	}
	_, rest, ok := bytes.Cut(b[:head+2], []byte("\r\nContent-Length: "))
	if !ok {
		return status, 0, errAnswer
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < 0 || n > maxAnswer {
		return status, 0, errAnswer
	}
	if len(b) < head+4+n {
		return status, 0, nil
	}
	return status, head + 4 + n, nil
}
