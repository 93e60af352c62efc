//go:build plant_shared_image

package plant

const active = "shared-image"
