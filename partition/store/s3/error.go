package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"rescore/partition/store"
)

// ErrConditional is returned by the first write to a bucket whose server overwrites
// objects that it was asked not to.
var ErrConditional = errors.New("the object store does not honour If-None-Match: *, so two writers could overwrite one another; use a release of it that does, or another store")

// ErrProtocol is returned when a server's answers are not S3's.
var ErrProtocol = errors.New("the server does not answer as S3 does; look at the endpoint")

// answer is a server's refusal. It holds nothing that a server may have copied from
// the request, whose headers are secret.
type answer struct {
	Status  int
	Code    string // as AccessDenied; "" when the answer has no body
	Request string // the server's own name of the request, for its operators
	Region  string // where the bucket is, when it says so
}

func (a *answer) Error() string {
	text := fmt.Sprintf("the server answered %d", a.Status)
	if a.Code != "" {
		text += " " + a.Code
	}
	if a.Request != "" {
		text += ", request " + a.Request
	}
	return text
}

// refusal reads a server's error.
func refusal(r *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		data = nil // the status says enough
	}
	return parseRefusal(r, data)
}

func parseRefusal(r *http.Response, data []byte) *answer {
	a := &answer{Status: r.StatusCode, Request: plain(r.Header.Get("X-Amz-Request-Id")), Region: plain(r.Header.Get("X-Amz-Bucket-Region"))}
	var body struct {
		XMLName xml.Name
		Code    string
		Region  string
	}
	if xml.Unmarshal(data, &body) == nil && body.XMLName.Local == "Error" {
		a.Code = plain(body.Code)
		if a.Region == "" {
			a.Region = plain(body.Region)
		}
	}
	return a
}

// plain leaves out what is no plain word of a server.
func plain(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.' {
			return ""
		}
	}
	return s
}

func status(err error) (int, string) {
	var a *answer
	if errors.As(err, &a) {
		return a.Status, a.Code
	}
	return 0, ""
}

// absent reports whether there is no object. The answer to HEAD has no body that
// could say what it is that was not found.
func absent(err error) bool {
	code, word := status(err)
	return code == http.StatusNotFound && (word == "NoSuchKey" || word == "")
}

// taken reports whether a conditional request was refused because the object exists.
func taken(err error) bool {
	code, _ := status(err)
	return code == http.StatusPreconditionFailed
}

func uploadGone(err error) bool {
	_, word := status(err)
	return word == "NoSuchUpload"
}

// mismatch is an answer that arrived, and is not what was asked for.
type mismatch struct {
	sentinel error // what it is when every attempt brings it
	text     string
}

func (m mismatch) Error() string { return m.text }

func odd(format string, args ...any) error {
	return mismatch{ErrProtocol, fmt.Sprintf(format, args...)}
}
func other(format string, args ...any) error {
	return mismatch{store.ErrCorrupt, fmt.Sprintf(format, args...)}
}

// again reports whether a request may be asked again: the network or the server
// failed, or the bytes changed on their way.
func again(err error) bool {
	var a *answer
	if !errors.As(err, &a) {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, errCredentials) && !errors.Is(err, store.ErrChanged) && !errors.Is(err, store.ErrTooLarge)
	}
	switch a.Code {
	case "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict",
		"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody", "PriorRequestNotComplete", "ThrottlingException", "Throttling":
		return true
	case "NotImplemented":
		return false
	}
	switch a.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// explain says what was attempted on which object, and adds the sentinel that
// callers branch on.
func explain(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	var a *answer
	var sentinel error
	if errors.As(err, &a) {
		switch {
		case errors.Is(err, store.ErrChanged):
			sentinel = store.ErrChanged // which the condition found out
		case a.Code == "NoSuchBucket":
			sentinel = fmt.Errorf("the bucket does not exist; make it, or name another: %w", store.ErrNotExist)
		case absent(err):
			sentinel = store.ErrNotExist
		case taken(err):
			sentinel = store.ErrExist
		case a.Code == "NoSuchUpload":
			sentinel = store.ErrAbandoned
		case a.Code == "InvalidPart", a.Code == "InvalidPartOrder":
			sentinel = store.ErrCorrupt
		case a.Code == "QuotaExceeded", a.Code == "XMinioStorageFull", a.Code == "StorageFull", a.Status == http.StatusInsufficientStorage:
			sentinel = store.ErrNoSpace
		case a.Code == "RequestTimeTooSkewed":
			sentinel = fmt.Errorf("the clocks of this machine and the object store differ; set them: %w", store.ErrDenied)
		case a.Code == "SignatureDoesNotMatch", a.Code == "InvalidAccessKeyId", a.Code == "ExpiredToken", a.Code == "InvalidToken":
			sentinel = fmt.Errorf("check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or the profile: %w", store.ErrDenied)
		case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
			sentinel = store.ErrDenied
		case a.Status >= 300 && a.Status < 400, a.Code == "AuthorizationHeaderMalformed", a.Code == "PermanentRedirect":
			where := "its region"
			if a.Region != "" {
				where = a.Region
			}
			return fmt.Errorf("%s %s: the bucket is elsewhere; set AWS_REGION to %s: %w", doing, name, where, err)
		}
	}
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return fmt.Errorf("%s %s: %w (%w)", doing, name, sentinel, err)
}

// bare strips from a network's error the URL, whose query names uploads.
func bare(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
