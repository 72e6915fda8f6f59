package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// upload is an object that is sent in parts. Nothing of it can be seen before it is
// completed.
type upload struct {
	client  *Client
	key     string
	id      string
	attempt string
}

// part is one part that the server has.
type part struct {
	PartNumber int
	ETag       string
	Sum        string `xml:"ChecksumCRC32C,omitempty"`
}

// partsMax is how many parts an object may have.
const partsMax = 10_000

// begin begins an object in parts. sum is the CRC-32C of the whole object, "" when
// it is not known yet; summed says that every part will come with its own.
func (c *Client) begin(ctx context.Context, key, sum string, summed bool) (*upload, error) {
	u := &upload{client: c, key: key, attempt: newAttempt()}
	header := http.Header{attemptHeader: {u.attempt}, "Content-Type": {"application/octet-stream"}}
	if sum != "" {
		header.Set(sumHeader, sum)
	}
	if summed {
		header.Set("X-Amz-Checksum-Algorithm", "CRC32C")
	}
	var answer struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadID string   `xml:"UploadId"`
	}
	// An answer that is lost leaves an upload behind that nobody knows the name of; the
	// bucket's lifecycle removes those.
	err := c.do(ctx, request{method: "POST", key: key, query: url.Values{"uploads": {""}}, header: header}, func(r *http.Response) error {
		return readXML(r, &answer)
	})
	if err == nil && answer.UploadID == "" {
		err = errors.New("the server gives the upload no name")
	}
	u.id = answer.UploadID
	return u, err
}

func (u *upload) query(number int) url.Values {
	return url.Values{"uploadId": {u.id}, "partNumber": {strconv.Itoa(number)}}
}

// send sends a part. Sent twice, it is the same part.
func (u *upload) send(ctx context.Context, number int, data []byte) (part, error) {
	p := part{PartNumber: number, Sum: sumOf(data)}
	header := http.Header{"X-Amz-Checksum-Crc32c": {p.Sum}}
	err := u.client.do(ctx, request{method: "PUT", key: u.key, query: u.query(number), header: header, body: data}, func(r *http.Response) error {
		if p.ETag = r.Header.Get("Etag"); p.ETag == "" {
			return odd("the server gives the part no ETag")
		}
		return nil
	})
	return p, err
}

// copy makes a part of a range of another object of the bucket, in the server.
func (u *upload) copy(ctx context.Context, number int, from string, f facts, first, past int64) (part, error) {
	p := part{PartNumber: number}
	header := http.Header{
		"X-Amz-Copy-Source":       {copySource(u.client.bucket, from)},
		"X-Amz-Copy-Source-Range": {fmt.Sprintf("bytes=%d-%d", first, past-1)},
	}
	f.condition(header, "X-Amz-Copy-Source-If-Match")
	// A server copies at disk speed, at the least; the time follows from the bytes.
	err := u.client.do(ctx, request{method: "PUT", key: u.key, query: u.query(number), header: header, expect: (past - first) / 64}, func(r *http.Response) error {
		var answer struct {
			XMLName xml.Name `xml:"CopyPartResult"`
			ETag    string
		}
		if err := readXML(r, &answer); err != nil {
			return err
		}
		if p.ETag = answer.ETag; p.ETag == "" {
			return odd("the server gives the part no ETag")
		}
		return nil
	})
	return p, err
}

// complete makes the object of its parts, unless there is one.
func (u *upload) complete(ctx context.Context, parts []part) error {
	type list struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Part    []part
	}
	var body bytes.Buffer
	if err := xml.NewEncoder(&body).Encode(list{Part: parts}); err != nil {
		return err
	}
	header := http.Header{"If-None-Match": {"*"}, "Content-Type": {"application/xml"}}
	err := u.client.do(ctx, request{method: "POST", key: u.key, query: url.Values{"uploadId": {u.id}}, header: header, body: body.Bytes()}, func(r *http.Response) error {
		var answer struct{ ETag string } // whatever the document is called: not every server follows the book
		if err := readXML(r, &answer); err != nil {
			return err
		}
		if answer.ETag == "" {
			return odd("the server gives the object no ETag")
		}
		return nil
	})
	return u.client.settle(ctx, u.key, u.attempt, err)
}

// abort takes the parts back. It is done although its caller was cancelled.
func (u *upload) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	err := u.client.do(ctx, request{method: "DELETE", key: u.key, query: url.Values{"uploadId": {u.id}}}, nil)
	if uploadGone(err) || absent(err) {
		return nil
	}
	return err
}

// abortPatience bounds how long somebody who gave up waits for the store.
const abortPatience = 10 * time.Second
