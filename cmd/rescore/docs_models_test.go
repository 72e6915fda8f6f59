package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"rescore/partition/job"
	"rescore/worker/bundle"
	"rescore/worker/model"
)

// The scorecard of the models' page gives the scores shown below it, the card is one of
// a package of that scorecard, and what is shown of job files belongs into one.
func TestModelsPageShowsFilesThatDoWhatItSays(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "models") {
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
		if len(blocks) != 4 {
			t.Errorf("%s shows %d files, want 4", file, len(blocks))
			continue
		}
		scorecard, card := blocks[0][1], blocks[1][1]
		e, err := model.Load([]byte(scorecard))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		shown := regexp.MustCompile(`(?m)^    0\.\d{17,}$`).FindAllString(page, -1)
		rows := [][]float64{{30, 1}, {4, 3}, {math.NaN(), math.NaN()}}
		if len(shown) != len(rows) {
			t.Fatalf("%s shows %d scores, want %d", file, len(shown), len(rows))
		}
		golden := "tenure,brand_m0,raw\n"
		for i, row := range rows {
			raw := e.Raw(row)
			if got := strconv.FormatFloat(e.Transform(raw), 'g', 17, 64); got != strings.TrimSpace(shown[i]) {
				t.Errorf("%s: row %d scores %s, the page says %s", file, i, got, shown[i])
			}
			golden += strings.ReplaceAll(fmt.Sprintf("%v,%v,%.17g\n", row[0], row[1], raw), "NaN", "")
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(scorecard))); !strings.Contains(card, want) {
			t.Errorf("%s: the card does not have the scorecard's SHA-256, %s", file, want)
		}
		data, err := bundle.Pack(fstest.MapFS{"model.yaml": {Data: []byte(card)}, "card.yaml": {Data: []byte(scorecard)}, "golden.csv": {Data: []byte(golden)}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Read(file, data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		// Policies change one of the values: a missing tenure is 24.
		if v, err := b.Verify(); err != nil || v.Rows != len(rows) || v.Wrong != 1 || v.First[0].Row != 2 {
			t.Errorf("%s: %+v, %v", file, v, err)
		}
		for _, block := range blocks[2:] {
			text := "version: 1\nname: shown\nmonth: 202610\ninput: {path: base}\noutput: {path: out}\n" + block[1]
			if _, err := job.Decode(file, []byte(text)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}
