//go:build plant_believe_manifest

package plant

const active = "believe-manifest"
