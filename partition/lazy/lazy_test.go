package lazy

import "testing"

func TestAnExpressionIsCompiledOnce(t *testing.T) {
	t.Parallel()
	get := Regexp(`^a{2}$`)
	if first := get(); !first.MatchString("aa") || first.MatchString("a") || get() != first {
		t.Errorf("%s is compiled again, or is another", first)
	}
	broken := Regexp(`(`)
	defer func() {
		if recover() == nil {
			t.Error("no expression, and nobody is told")
		}
	}()
	broken()
}
