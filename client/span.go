package client

import concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"

// spanCarrier is the message of a request, which tells the server of the span that the context has, if it has one: W3C Trace Context. It
// implements propagation.TextMapCarrier.
type spanCarrier concordatv1.Request

// Get returns what was set.
func (c *spanCarrier) Get(key string) string {
	switch key {
	case "traceparent":
		return c.Traceparent
	case "tracestate":
		return c.Tracestate
	}
	return ""
}

// Set sets a value of a header.
func (c *spanCarrier) Set(key, value string) {
	switch key {
	case "traceparent":
		c.Traceparent = value
	case "tracestate":
		c.Tracestate = value
	}
}

// Keys are the keys that there may be.
func (c *spanCarrier) Keys() []string { return []string{"traceparent", "tracestate"} }
