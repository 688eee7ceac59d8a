//go:build !failpoints

package failpoint

// Hit marks that the point was reached. In this build it does nothing.
func (Point) Hit() {}
