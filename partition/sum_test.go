package partition

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sumOf(hashes []uint64) Sum {
	var s Sum
	for _, h := range hashes {
		s = s.AddHash(h)
	}
	return s
}

// hashes draws multisets: small values repeat, and the values that a lane of
// the sum maps to zero are among them.
func hashes(t *rapid.T) []uint64 {
	return rapid.SliceOfN(rapid.OneOf(
		rapid.Uint64(), rapid.Uint64Range(0, 3), rapid.Uint64Range(uint64(FirstNumber), uint64(PastNumber)-1),
		rapid.SampledFrom([]uint64{0, 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, math.MaxUint64}),
	), 1, 40).Draw(t, "hashes")
}

func TestSumDependsNeitherOnOrderNorOnParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := hashes(t)
		want := sumOf(all)
		if got := sumOf(rapid.Permutation(all).Draw(t, "order")); got != want {
			t.Fatal("the order matters")
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		a, b := sumOf(all[:cut]), sumOf(all[cut:])
		if a.Add(b) != want || b.Add(a) != want || want.Add(Sum{}) != want {
			t.Fatal("parts do not add up")
		}
	})
}

func TestSumChangesWithAnySingleNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := hashes(t)
		want := sumOf(all)
		i := rapid.IntRange(0, len(all)-1).Draw(t, "at")
		if sumOf(slices.Delete(slices.Clone(all), i, i+1)) == want {
			t.Fatal("a lost one is not noticed")
		}
		if sumOf(append(slices.Clone(all), all[i])) == want {
			t.Fatal("a doubled one is not noticed")
		}
		changed := slices.Clone(all)
		changed[i] ^= uint64(1) << rapid.IntRange(0, 63).Draw(t, "bit")
		if got := sumOf(changed); got.Hi == want.Hi || got.Lo == want.Lo {
			t.Fatal("a changed one leaves a lane as it was")
		}
		if len(all) > 1 { // a sum of plain numbers would take this pair for the other
			j := (i + 1) % len(all)
			paired := slices.Clone(all)
			paired[i], paired[j] = paired[i]+1, paired[j]-1
			if (paired[i] != all[j] || paired[j] != all[i]) && sumOf(paired) == want {
				t.Fatal("one up and one down cancel out")
			}
		}
	})
}

// TestManyHashesAreSummedUpAsOneByOne takes every length up to some vectors of them, from
// every place in one on, and many at once.
func TestManyHashesAreSummedUpAsOneByOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(18, 1))
	all := make([]uint64, 1_000_000)
	for i := range all {
		all[i] = rng.Uint64() >> rng.UintN(64)
	}
	for n := range 200 {
		for from := range 16 {
			part := all[200*from+from:][:n]
			if got, want := SumOf(part), sumOf(part); got != want {
				t.Fatalf("%d hashes have the sum %s, one by one %s", n, got, want)
			}
		}
	}
	if got, want := SumOf(all), sumOf(all); got != want {
		t.Errorf("%d hashes have the sum %s, one by one %s", len(all), got, want)
	}
}

func TestSumOfNumbersIsTheSumOfTheirHashes(t *testing.T) {
	t.Parallel()
	if (Sum{}).AddNumber(someone) != (Sum{}).AddHash(uint64(someone)) {
		t.Error("a number is not its own hash")
	}
}

// The sums are in manifests, ledgers and staged files: if this changes, every
// version that was ever published changes its digest. Worked out with another
// program, in another language.
func TestSumNeverChanges(t *testing.T) {
	t.Parallel()
	s := (Sum{}).AddNumber(13800000000).AddNumber(19999999999).AddHash(0)
	if got, want := s.String(), "0b875fd9a8189bb444b473c2bb37ad16"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := (Sum{Hi: 1, Lo: 2}).String(), "00000000000000010000000000000002"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// unshift inverts x ^ x>>k.
func unshift(x uint64, k uint) uint64 {
	y := x
	for range 64/k + 1 {
		y = x ^ y>>k
	}
	return y
}

// inverse returns m's inverse modulo 2^64, by Newton's method.
func inverse(m uint64) uint64 {
	x := m
	for range 6 {
		x *= 2 - m*x
	}
	return x
}

func unmix(x uint64) uint64 {
	x = unshift(x, 31) * inverse(0x94d049bb133111eb)
	x = unshift(x, 27) * inverse(0xbf58476d1ce4e5b9)
	return unshift(x, 30)
}

func TestMixIsABijection(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		for _, x := range []uint64{uint64(i), uint64(FirstNumber) + uint64(i), rng.Uint64(), math.MaxUint64 - uint64(i)} {
			if got := unmix(Mix(x)); got != x {
				t.Fatalf("%#x comes back as %#x", x, got)
			}
		}
	}
}

func TestMixPassesEveryInputBitToEveryOutputBit(t *testing.T) {
	t.Parallel()
	const rounds = 4000
	rng := rand.New(rand.NewPCG(3, 4))
	var flips [64][64]int
	for range rounds {
		x := rng.Uint64()
		h := Mix(x)
		for in := range 64 {
			d := h ^ Mix(x^1<<in)
			for out := range 64 {
				flips[in][out] += int(d >> out & 1)
			}
		}
	}
	for in := range flips {
		for out, n := range flips[in] {
			if share := float64(n) / rounds; share < 0.44 || share > 0.56 { // 7 standard deviations
				t.Errorf("input bit %d flips output bit %d in %.3f of the cases", in, out, share)
			}
		}
	}
}

func TestSumKeepsEveryDigitInJSON(t *testing.T) {
	t.Parallel()
	want := Sum{Hi: 1<<63 + 1, Lo: 1<<53 + 1}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != `"80000000000000010020000000000001"` {
		t.Errorf("written as %s", data)
	}
	var got Sum
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("read back as %v, %v", got, err)
	}
	for _, bad := range []string{"", "80", string(make([]byte, 32)), "8000000000000001002000000000000100"} {
		if err := got.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as a sum", bad)
		}
	}
}
