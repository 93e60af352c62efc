//go:build plant_ingress_unsealed

package plant

const active = "ingress-unsealed"
