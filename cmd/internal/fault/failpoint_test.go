package fault

// failpoints are the named moments of the code, and whose they are.
var failpoints = []struct {
	name        string
	coordinator bool
}{}
