package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Every peer gets the same 200 bytes of JSON, in which a job has its number.
const (
	bodyBytes = 200
	bodyHead  = `{"job":"`
	jobDigits = 12
)

var pad = strings.Repeat("x", bodyBytes-len(`{"job":"000000000000","pad":""}`))

func body(job int) []byte { return appendBody(make([]byte, 0, bodyBytes), job) }

func appendBody(to []byte, job int) []byte {
	return fmt.Appendf(to, `{"job":"%012d","pad":"%s"}`, job, pad)
}

// jobOf reads the number at the begin of a body.
func jobOf(body []byte) int {
	if len(body) != bodyBytes {
		fail("a body of %d bytes", len(body))
	}
	return jobNumber(body[len(bodyHead):][:jobDigits])
}

func jobNumber(digits []byte) int {
	job, err := strconv.Atoi(string(digits))
	check(err)
	return job
}
