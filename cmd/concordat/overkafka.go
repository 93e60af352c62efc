package main

import (
	"context"

	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/topics"
)

// openOverKafka opens a target over topics, on a broker of its own if there is no cluster.
func openOverKafka(s settings, o accounts.Options) (target, error) {
	return topics.Open(context.Background(), topics.Options{Options: o, Brokers: s.brokers, NoAnswers: s.noAnswers})
}
