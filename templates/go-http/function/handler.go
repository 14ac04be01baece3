// Package function is yours: Handle answers every request.
package function

import (
	"fmt"
	"io"
	"log"
	"net/http"
)

// Handle is called for several requests at a time. A panic in it is answered with 500.
func Handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		log.Printf("reading the request: %v", err)
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}

	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello! You said: %s\n", body)
}
