//go:build plant_evict_unsealed

package plant

const active = "evict-unsealed"
