package main

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
)

// recovering makes a panic of the handler a 500, or an answer cut short when it has begun.
func recovering(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w}
		defer func() {
			switch p := recover(); {
			case p == nil:
				return
			case p == http.ErrAbortHandler:
				panic(p)
			default:
				log.Printf("panic: %v\n\n%s", p, debug.Stack())
				a.fail()
			}
		}()
		handle(a, r)
	}
}

// answer knows whether the handler has begun to answer: then it is too late for another status.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) fail() {
	if a.begun {
		// What there is has to leave, or the watchdog takes the connection for one that had
		// gone idle, and calls again.
		a.Flush()
		panic(http.ErrAbortHandler)
	}
	header := a.Header()
	for name := range header {
		header.Del(name)
	}
	header.Set("Content-Type", "text/plain")
	a.WriteHeader(http.StatusInternalServerError)
	io.WriteString(a, "Internal Server Error\n")
}

func (a *answer) WriteHeader(status int) {
	a.ResponseWriter.WriteHeader(status)
	a.begun = a.begun || status >= 200 || status == http.StatusSwitchingProtocols
}

func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begun = true
	return io.Copy(a.ResponseWriter, r)
}

func (a *answer) Flush() {
	a.begun = true
	a.ResponseWriter.(http.Flusher).Flush()
}

func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.begun = true
	return a.ResponseWriter.(http.Hijacker).Hijack()
}

// Unwrap is what http.ResponseController asks for.
func (a *answer) Unwrap() http.ResponseWriter {
	return a.ResponseWriter
}
