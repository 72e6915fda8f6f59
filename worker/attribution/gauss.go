package attribution

import "math"

// gauss returns the points and weights of Gauss and Legendre's rule on [0, 1]. With
// n points it integrates polynomials of degree 2n-1 exactly.
func gauss(n int) (points, weights []float64) {
	points, weights = make([]float64, n), make([]float64, n)
	for i := range (n + 1) / 2 {
		// Newton's method from Tricomi's guess; it doubles the digits each time.
		x := math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))
		var slope float64
		for range 8 {
			p, before := 1.0, 0.0
			for k := range n {
				p, before = (float64(float64(2*k+1)*float64(x*p))-float64(float64(k)*before))/float64(k+1), p
			}
			slope = float64(n) * (float64(x*p) - before) / (float64(x*x) - 1)
			x -= p / slope
		}
		weight := 1 / (float64(1-float64(x*x)) * float64(slope*slope))
		points[i], points[n-1-i] = (1-x)/2, (1+x)/2
		weights[i], weights[n-1-i] = weight, weight
	}
	return points, weights
}
