package job

import (
	"fmt"
	"reflect"
	"strings"

	"rescore/partition/lazy"
	"rescore/partition/schema"
)

// Limits of model.challengers.
const (
	ChallengersMax    = 8
	challengerNameMax = 32
)

// element is what an element of a list is before the file says anything of it.
func element(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[Challenger]():
		return reflect.ValueOf(Challenger{UndersamplingBeta: 1})
	case reflect.TypeFor[Table]():
		return reflect.ValueOf(Table{CSV: Default().Input.CSV, Number: schema.Key, Months: schema.Months})
	}
	return reflect.Zero(t)
}

// Names returns the names of the challengers, in order.
func (m Model) Names() []string {
	names := make([]string, len(m.Challengers))
	for i, c := range m.Challengers {
		names[i] = c.Name
	}
	return names
}

// Paths returns the paths of all models, the champion's first.
func (m Model) Paths() []string {
	paths := []string{m.Path}
	for _, c := range m.Challengers {
		paths = append(paths, c.Path)
	}
	return paths
}

// Promoted returns the job with challenger i as its only model: how it would be
// loaded, bound and judged as the champion.
func (s Spec) Promoted(i int) Spec {
	c := s.Model.Challengers[i]
	s.Model = Model{Path: c.Path, Features: c.Features, UndersamplingBeta: c.UndersamplingBeta}
	return s
}

var challengerShape = lazy.Regexp(`^[A-Za-z][A-Za-z0-9_]*$`)

func (c *checker) challengers(list []Challenger) {
	if n := len(list); n > ChallengersMax {
		c.add("model.challengers", fmt.Sprintf("there are %d challengers", n), fmt.Sprintf("keep %d, or run a second job", ChallengersMax))
	}
	first := make(map[string]int)
	for i, one := range list {
		at := fmt.Sprintf("model.challengers[%d]", i)
		column := strings.ToLower(schema.ChallengerColumn(one.Name)) // readers of Parquet may not tell case
		before, twice := first[column]
		_, taken := schema.Find(schema.Published, column)
		switch {
		case one.Name == "":
			c.add(at+".name", "the challenger has no name", "write name: with letters, digits and _, starting with a letter")
		case len(one.Name) > challengerNameMax:
			c.add(at+".name", fmt.Sprintf("the name has %d characters", len(one.Name)), fmt.Sprintf("use %d at most", challengerNameMax))
		case !challengerShape().MatchString(one.Name):
			c.add(at+".name", fmt.Sprintf("%q cannot name a column", clip(one.Name)), "use letters, digits and _, starting with a letter")
		case taken:
			c.add(at+".name", fmt.Sprintf("its column would be %s, which there is", column), "give the challenger another name")
		case twice:
			c.add(at+".name", fmt.Sprintf("%s is challenger %d already", one.Name, before+1), "give every challenger a name of its own")
		default:
			first[column] = i
		}
		c.artefact(at, one.Path, one.Features)
	}
}
