package images

import (
	"testing/fstest"
)

var smallRecipe = fstest.MapFS{}
