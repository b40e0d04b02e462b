// SPDX-License-Identifier: Apache-2.0

package scale

import (
	"fmt"
	"math/rand/v2"

	"github.com/HatiCode/nestor/composer"
)

// application of many nodes: claims of one composition.
type application struct {
	name        string
	title       string
	composition composer.CompositionSpec
	claims      int
}

func (a application) nodes() int { return a.claims * len(a.composition.Resources) }

// layers is so many claims of a composition of layers: each node needs two of
// the layer before it.
func layers(claims, deep, wide int) application {
	a := application{
		name: "layers", claims: claims,
		title: fmt.Sprintf("%d nodes in %d claims of %d layers of %d", claims*deep*wide, claims, deep, wide),
	}
	a.composition = resources(deep * wide)
	for i := wide; i < deep*wide; i++ {
		before := i - i%wide - wide
		need(&a.composition, before+i%wide, i)
		need(&a.composition, before+(i+1)%wide, i)
	}
	return a
}

// tangle is so many claims of a composition in which each resource needs up to
// three earlier ones, the same every time.
func tangle(claims, size int) application {
	a := application{
		name: "tangle", claims: claims,
		title: fmt.Sprintf("%d nodes in %d claims of random graphs of %d", claims*size, claims, size),
	}
	a.composition = resources(size)
	source := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the graph shall be the same every time
	for i := 1; i < size; i++ {
		needed := map[int]bool{}
		for range source.IntN(4) {
			needed[source.IntN(i)] = true
		}
		for j := range i {
			if needed[j] {
				need(&a.composition, j, i)
			}
		}
	}
	return a
}

func need(spec *composer.CompositionSpec, first, second int) {
	spec.Dependencies = append(spec.Dependencies, resource(first)+" -> "+resource(second))
}

func resource(i int) string { return fmt.Sprintf("n%04d", i) }

// resources that need none.
func resources(n int) composer.CompositionSpec { return resourcesFrom(0, n) }

// resourcesFrom are n of them, numbered from first.
func resourcesFrom(first, n int) composer.CompositionSpec {
	var spec composer.CompositionSpec
	for i := first; i < first+n; i++ {
		spec.Resources = append(spec.Resources, composer.Resource{Name: resource(i), CatalogRef: quick})
	}
	return spec
}

// annotations of the application, one per claim.
func (a application) annotations() []composer.Claim {
	claims := make([]composer.Claim, a.claims)
	for i := range claims {
		claims[i] = composer.Claim{
			Instance: fmt.Sprintf("c%03d", i), Composition: a.name, File: "main.go", Line: i + 1,
		}
	}
	return claims
}
