//go:build plant_read_unsealed

package plant

const active = "read-unsealed"
