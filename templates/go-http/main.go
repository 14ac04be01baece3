// Serves Handle of package function, where the watchdog looks for it: upstream_url.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"handler/function"
)

func main() {
	log.SetFlags(0) // the watchdog dates each line

	listener, err := listen(os.Getenv("upstream_url"))
	if err != nil {
		log.Fatal(err)
	}

	// No timeouts: the watchdog has them, and ends r.Context() by closing the connection.
	server := &http.Server{Handler: recovering(function.Handle)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		term, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer cancel()
		<-term.Done()
		if err := server.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
	}()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped // Serve returns when Shutdown begins: calls may still be under way
}

func listen(address string) (net.Listener, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
	case u.Scheme == "http+unix" && u.Host == "" && u.Path != "":
		// The socket of a process that was killed is still there.
		if err := os.Remove(u.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return net.Listen("unix", u.Path)
	case u.Scheme == "http" && u.Hostname() != "" && u.Port() != "":
		return net.Listen("tcp", u.Host)
	}
	return nil, fmt.Errorf("upstream_url must be http+unix:///PATH or http://HOST:PORT, not %q", address)
}
