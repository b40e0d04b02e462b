// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/HatiCode/nestor/api/problem"
)

// Response is what the generated client returns.
type Response = http.Response

// Decode turns the result of a call of the generated client into T. An answer
// that reports a problem comes back as *Error.
func Decode[T any](response *Response, err error) (T, error) {
	value, _, err := DecodeCreated[T](response, err)
	return value, err
}

// DecodeCreated is Decode for a write, and says whether it created something.
func DecodeCreated[T any](response *Response, err error) (value T, created bool, _ error) {
	if err := Check(response, err); err != nil {
		return value, false, err
	}
	err = json.NewDecoder(response.Body).Decode(&value)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return value, false, fmt.Errorf("read the answer of %s: %w; are the client and the server of one version?", describe(response), err)
	}
	return value, response.StatusCode == http.StatusCreated, nil
}

// Done is Decode for a call without a result.
func Done(response *Response, err error) error {
	if err := Check(response, err); err != nil {
		return err
	}
	return response.Body.Close()
}

// Check returns nil for an answer of success, whose body stays open, and
// otherwise the error, with the body closed.
func Check(response *Response, err error) error {
	if err != nil {
		return unwrap(err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("read the answer of %s: %w", describe(response), err)
	}
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || mediaType != problem.ContentType {
		return &StrangerError{Request: describe(response), Status: response.Status, Type: mediaType}
	}
	answer := &Error{}
	if err := json.Unmarshal(body, &answer.Problem); err != nil {
		return fmt.Errorf("read the problem that %s answered: %w", describe(response), err)
	}
	if answer.Problem.Status == 0 {
		answer.Problem.Status = response.StatusCode
	}
	return answer
}

// unwrap drops what net/http puts around an error of Client.Do.
func unwrap(err error) error {
	var away *UnreachableError
	if errors.As(err, &away) {
		return away
	}
	return err
}

func describe(response *http.Response) string {
	if response.Request == nil {
		return "the server"
	}
	return response.Request.Method + " " + response.Request.URL.Redacted()
}
