package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"rescore/partition/store"
)

// listBytesMax bounds one page of a listing: 1,000 names of 1 KiB, escaped.
const listBytesMax = 16 << 20

// listing is a page of a bucket's names.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key  string
		Size int64
	}
}

// List implements store.Store. It asks for as many pages of 1,000 names as there are.
func (s *Store) List(ctx context.Context, prefix string) ([]store.Info, error) {
	if _, err := store.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	var found []store.Info
	query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {s.prefix + prefix}}
	for {
		var page listing
		err := s.client.do(ctx, request{method: "GET", query: query, expect: 1 << 20}, func(r *http.Response) error {
			page = listing{}
			return readXML(r, &page)
		})
		if err != nil {
			return nil, explain("list", prefix, err)
		}
		for _, c := range page.Contents {
			key := c.Key
			if page.EncodingType == "url" {
				if key, err = url.QueryUnescape(key); err != nil {
					return nil, fmt.Errorf("list %s: the server escapes a name wrongly: %w", prefix, err)
				}
			}
			// Other programs keep folders as objects whose names end in a slash.
			name, ours := strings.CutPrefix(key, s.prefix)
			if ours && strings.HasPrefix(name, prefix) && store.CheckName(name) == nil {
				found = append(found, store.Info{Name: name, Size: c.Size})
			}
		}
		if !page.IsTruncated {
			break
		}
		if page.NextContinuationToken == "" || page.NextContinuationToken == query.Get("continuation-token") {
			return nil, fmt.Errorf("list %s: the server says there is more, and not where", prefix)
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
	slices.SortFunc(found, func(a, b store.Info) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// readXML takes a document in. Some requests are answered 200 before they are
// done, and the document then is an error.
func readXML(r *http.Response, into any) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, listBytesMax+1))
	if err != nil {
		return fmt.Errorf("the answer ends after %d bytes: %w", len(data), err)
	}
	if len(data) > listBytesMax {
		return fmt.Errorf("the answer is longer than %d bytes: %w", listBytesMax, store.ErrTooLarge)
	}
	if a := parseRefusal(r, data); a.Code != "" {
		if a.Code == "PreconditionFailed" {
			a.Status = http.StatusPreconditionFailed
		}
		return a
	}
	if err := xml.Unmarshal(data, into); err != nil {
		return odd("the answer is no document of S3: %v", err)
	}
	return nil
}
