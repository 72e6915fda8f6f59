package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sweepAge is how old an upload is that nobody completes any more. No attempt at a
// task lives that long.
const sweepAge = 7 * 24 * time.Hour

// sweep takes back uploads below the store's prefix that processes which were killed
// left behind: they cannot be seen, and are paid for. It does what it can, at most
// 1,000 at a time, by the server's clock.
func (s *Store) sweep(ctx context.Context) {
	if s.prefix == "" {
		return // a whole bucket is not this program's alone
	}
	var now time.Time
	var page struct {
		XMLName xml.Name `xml:"ListMultipartUploadsResult"`
		Upload  []struct {
			Key       string
			UploadID  string `xml:"UploadId"`
			Initiated time.Time
		}
	}
	err := s.client.do(ctx, request{method: "GET", query: url.Values{"uploads": {""}, "prefix": {s.prefix}}}, func(r *http.Response) (err error) {
		page.Upload = nil
		if now, err = http.ParseTime(r.Header.Get("Date")); err != nil {
			return err
		}
		return readXML(r, &page)
	})
	if err != nil {
		return
	}
	for _, u := range page.Upload {
		if strings.HasPrefix(u.Key, s.prefix) && !u.Initiated.IsZero() && now.Sub(u.Initiated) > sweepAge {
			_ = (&upload{client: s.client, key: u.Key, id: u.UploadID}).abort(ctx)
		}
	}
}
