package function

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hi"))
	answer := httptest.NewRecorder()

	Handle(answer, request)

	if answer.Code != http.StatusOK {
		t.Errorf("status %d, want %d", answer.Code, http.StatusOK)
	}
	if got, want := answer.Body.String(), "Hello! You said: hi\n"; got != want {
		t.Errorf("body %q, want %q", got, want)
	}
}
