package model

import "bytes"

// Formats that Load tells apart.
const (
	lightGBM    = "LightGBM text"
	xgboostJSON = "XGBoost JSON"
	xgboostUBJ  = "XGBoost UBJSON"
	pmmlFormat  = "PMML"

	scorecardFormat = "scorecard"
)

// Load reads a model of any supported format, which it tells by the content. The
// error is an *Error.
func Load(data []byte) (*Ensemble, error) {
	format, err := recognise(data)
	switch {
	case err != nil:
		return nil, err
	case format == lightGBM:
		return LightGBM(data)
	case format == pmmlFormat:
		return PMML(data)
	case format == scorecardFormat:
		return Scorecard(data)
	}
	return XGBoost(data)
}

// recognise returns the format of a file. What is plainly no model, or one of
// another format, is refused, by name where that can be told.
func recognise(data []byte) (string, error) {
	name := ""
	start := data[:min(len(data), 4096)]
	has := func(key string) bool { return bytes.Contains(start, []byte(`"`+key+`"`)) }
	switch {
	case len(data) > bytesMax:
		name = "the file is larger than 1 GiB"
	case bytes.HasPrefix(data, []byte("tree\r\n")):
		e := malformed(Header, "", "the lines end in CR LF, so the byte counts of tree_sizes no longer hold")
		e.Remedy = "copy the file again in binary mode"
		return "", e
	case bytes.HasPrefix(data, []byte("tree\n")):
		return lightGBM, nil
	case len(data) == 0:
		name = "the file is empty"
	case bytes.HasPrefix(data, []byte("Tree=")):
		name = "this is one tree of a LightGBM text model without the model's header"
	case startsScorecard(data):
		return scorecardFormat, nil
	case len(data) > 1 && data[0] == '{' && bytes.IndexByte([]byte("iUIlL"), data[1]) >= 0:
		return xgboostUBJ, nil
	case data[0] == '{' && has("learner"):
		return xgboostJSON, nil
	case data[0] == '{' && (has("tree_info") || has("tree_structure") || has("num_tree_per_iteration")):
		name = "this is a LightGBM JSON dump (dump_model), which loses digits"
	case data[0] == '{' && has("oblivious_trees"):
		name = "this is a CatBoost JSON model"
	case data[0] == '{' || data[0] == '[':
		name = "this is a JSON file, and no model"
	case data[0] == '<' || bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf"))), []byte("<")):
		if !bytes.Contains(start, []byte("<PMML")) && !bytes.Contains(start, []byte(":PMML")) {
			name = "this is an XML or HTML document, and no PMML"
			break
		}
		return pmmlFormat, nil
	case bytes.HasPrefix(data, []byte("CBM1")):
		name = "this is a CatBoost binary model"
	case bytes.HasPrefix(data, []byte("ccopy_reg\n")) || data[0] == 0x80 && len(data) > 1 && data[1] <= 5:
		name = "this is a Python pickle, which could run any code"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		name = "this is a gzip file"
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		name = "this is a zip file"
	case bytes.HasPrefix(data, []byte("binf")) || bytes.IndexByte(start, 0) >= 0:
		name = "this is a binary file, such as an XGBoost model of the old format (load it with XGBoost before 3.1 and save it as .json)"
	default:
		e := malformed(Header, "", "the file starts neither with the line \"tree\" nor with a brace, so it is no LightGBM text model, and none of XGBoost; nor is its first key scorecard:")
		e.Format, e.Remedy = "", Supported
		return "", e
	}
	e := unsupported(Header, "", "%s", name)
	e.Format = ""
	return "", e
}

// notThis refuses a model that another loader reads.
func notThis(format string) error {
	e := unsupported(Header, "", "this is a model in the format %s, which Load reads", format)
	e.Format = ""
	return e
}

// startsScorecard reports whether the first line of a file that is no comment begins
// with the key scorecard.
func startsScorecard(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for len(data) > 0 {
		var line []byte
		line, data = cutLine(data)
		if line = bytes.TrimRight(line, " \t\r"); len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return bytes.HasPrefix(line, []byte("scorecard:"))
		}
	}
	return false
}
