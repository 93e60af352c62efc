//go:build plant_join_unsealed

package plant

const active = "join-unsealed"
