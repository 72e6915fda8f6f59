package main

import (
	"fmt"
	"strings"

	"rescore/worker/program"
)

// pictureWidth is where lists of columns are broken.
const pictureWidth = 100

// pictureText draws a program for people: what comes in, what each kernel reads
// and makes, room by room, and what goes out.
func pictureText(p program.Picture) string {
	var b strings.Builder
	fmt.Fprintf(&b, "read      %d columns, %d bytes a row\n", len(p.Read), p.ReadBytes)
	wrap(&b, "          ", months(cellNames(p.Read)))
	if len(p.Handed) > 0 {
		fmt.Fprintf(&b, "          and beside them %s\n", strings.Join(cellNames(p.Handed), ", "))
	}
	for _, room := range p.Rooms {
		made := 0
		for _, k := range room.Kernels {
			for _, c := range k.Makes {
				made += c.Bytes
			}
		}
		kernels := fmt.Sprintf("%d kernels", len(room.Kernels))
		if len(room.Kernels) == 1 {
			kernels = "1 kernel"
		}
		fmt.Fprintf(&b, "   │\n   ▼\n%-9s %s, %d bytes a row\n", room.Name, kernels, made)
		for _, k := range room.Kernels {
			fmt.Fprintf(&b, "   %3d  %s%s\n", k.Place, k.Name, kept(k.Own))
			wrap(&b, "          reads ", months(cellNames(k.Reads)))
			wrap(&b, "          makes ", cellNames(k.Makes))
		}
	}
	fmt.Fprintf(&b, "   │\n   ▼\nwrite     %d columns, %d bytes a row\n", len(p.Write), p.WriteBytes)
	wrap(&b, "          ", cellNames(p.Write))
	return b.String()
}

// restText says what the program leaves out, and what it keeps.
func restText(p program.Picture) string {
	var b strings.Builder
	b.WriteString("not read, because nobody needs them\n")
	wrap(&b, "          ", months(p.Unread))
	b.WriteString("not computed, because nobody needs them\n")
	wrap(&b, "          ", p.Uncomputed)
	fmt.Fprintf(&b, "memory of each goroutine that scores, in batches of %d rows\n", p.BatchRows)
	fmt.Fprintf(&b, "          %8s  columns between the kernels\n          %8s  scratch and tables of the kernels, the model among them\n", size(p.Between), size(p.Own))
	return b.String()
}

// kept says what a kernel keeps, when it is worth a word.
func kept(bytes int) string {
	if bytes < 1<<10 {
		return ""
	}
	return ", keeps " + size(bytes)
}

func size(bytes int) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

func cellNames(cells []program.Cell) []string {
	names := make([]string, len(cells))
	for i, c := range cells {
		names[i] = c.Name
	}
	return names
}

// months shortens runs of a column's months: fee_m0 fee_m1 fee_m2 to fee_m0..m2.
func months(names []string) []string {
	var out []string
	for i := 0; i < len(names); {
		base, from, ok := cutMonth(names[i])
		n := 1
		for ok && i+n < len(names) && names[i+n] == fmt.Sprintf("%s_m%d", base, from+n) {
			n++
		}
		if n > 1 {
			out = append(out, fmt.Sprintf("%s_m%d..m%d", base, from, from+n-1))
		} else {
			out = append(out, names[i])
		}
		i += n
	}
	return out
}

// cutMonth splits fee_m3 into fee and 3.
func cutMonth(name string) (base string, month int, ok bool) {
	k := len(name) - 3
	if k < 1 || name[k:k+2] != "_m" || name[k+2] < '0' || name[k+2] > '9' {
		return name, 0, false
	}
	return name[:k], int(name[k+2] - '0'), true
}

// wrap writes a list over as many lines as it takes; lead is on the first.
func wrap(b *strings.Builder, lead string, words []string) {
	line := lead
	blank := strings.Repeat(" ", len(lead))
	for i, w := range words {
		if len(line)+len(w) > pictureWidth && i > 0 {
			fmt.Fprintln(b, strings.TrimRight(line, " "))
			line = blank
		}
		line += w + " "
	}
	if len(words) == 0 {
		line += "nothing"
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
