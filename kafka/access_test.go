package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/kafka"
)

// as logs in with a user's password.
func as(user, password string) []kgo.Opt {
	return []kgo.Opt{kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())}
}

// guarded starts a cluster that lets in whom it knows, to what they may do: of clerk that is nothing but acls.
func guarded(t *testing.T, acls ...kfake.ACL) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "in", "out"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "chief", "secret"), kfake.User("PLAIN", "clerk", "secret", acls...))
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// TestNotAuthorised: who is not let in, or may not do what it takes, is told so. An egress keeps the engine from opening then, instead of trying
// forever; an ingress goes on trying, since it loses nothing.
func TestNotAuthorised(t *testing.T) {
	topic := func(name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
	}
	id := kfake.ACL{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "test", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationWrite, Allow: true}
	for name, c := range map[string]struct {
		acls []kfake.ACL
		user []kgo.Opt
		want error
	}{
		"a wrong password":     {nil, as("clerk", "guessed"), kerr.SaslAuthenticationFailed},
		"no position topic":    {[]kfake.ACL{id}, as("clerk", "secret"), kerr.TopicAuthorizationFailed},
		"no transactional id":  {[]kfake.ACL{topic("test.position", kmsg.ACLOperationAll)}, as("clerk", "secret"), kerr.TransactionalIDAuthorizationFailed},
		"may not make a topic": {[]kfake.ACL{id, topic("test.position", kmsg.ACLOperationDescribe)}, as("clerk", "secret"), kerr.TopicAuthorizationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := guarded(t, c.acls...)
			if errors.Is(c.want, kerr.SaslAuthenticationFailed) { // kfake closes the connection, and Kafka says why
				cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
					answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
					answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
					return answer, nil, true
				})
			}
			_, err := rawEgress(t, cluster.ListenAddrs(), kafka.EgressOptions{Client: c.user}).Position()
			wantErr(t, err, c.want, `"test"`)
			if errors.Is(err, engine.ErrNoPosition) {
				t.Error("the engine would open, and try forever")
			}
		})
	}

	w := newWorld(t, guarded(t).ListenAddrs())
	w.ingress.Client, w.egress.Client = as("clerk", "secret"), as("chief", "secret")
	w.open()
	eventually(t, "the ingress says that it may not read its topic", func() bool { return w.log.has("an ingress failed", "in", "TOPIC_AUTHORIZATION_FAILED") })
	w.close()
}

// TestRefusedForGood: what a broker says no to, and always will, keeps the engine from opening.
func TestRefusedForGood(t *testing.T) {
	for _, c := range []struct {
		what   string
		key    kmsg.Key
		code   *kerr.Error
		answer func(r kmsg.Request, code int16) kmsg.Response
	}{
		{"the timeout is longer than the broker's bound", kmsg.InitProducerID, kerr.InvalidTransactionTimeout, refuseID},
		{"not authorised to write idempotently", kmsg.InitProducerID, kerr.ClusterAuthorizationFailed, refuseID},
		{"the position topic has no name of a topic", kmsg.CreateTopics, kerr.InvalidTopicException, func(r kmsg.Request, code int16) kmsg.Response {
			answer := r.ResponseKind().(*kmsg.CreateTopicsResponse)
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = "test.position", code
			answer.Topics = append(answer.Topics, topic)
			return answer
		}},
	} {
		cluster := fake(t, 1, "out")
		cluster.ControlKey(int16(c.key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			return c.answer(r, c.code.Code), nil, true
		})
		_, err := rawEgress(t, cluster.ListenAddrs(), kafka.EgressOptions{}).Position()
		wantErr(t, err, c.code, `"test"`)
		if errors.Is(err, engine.ErrNoPosition) {
			t.Errorf("%s: the engine would open, and try forever", c.what)
		}
	}
}

// refuseID refuses to give a producer its id.
func refuseID(r kmsg.Request, code int16) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.InitProducerIDResponse)
	answer.ErrorCode = code
	return answer
}

// TestNotAuthorisedToWrite: an egress that may not write to a topic holds its records up, says why, and writes them once it may.
func TestNotAuthorisedToWrite(t *testing.T) {
	own := []kfake.ACL{
		{Resource: kmsg.ACLResourceTypeTransactionalId, Name: "test", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true},
		{Resource: kmsg.ACLResourceTypeTopic, Name: "test.position", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true},
	}
	c := guarded(t, own...)
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{Client: as("clerk", "secret")})
	wantPosition(t, g, 0)
	wantErr(t, g.Write(ctx, rawRecords(1, 3)), kerr.TopicAuthorizationFailed, "records 1 to 3")
	chief := client(t, c.ListenAddrs(), as("chief", "secret")...)
	allow := kmsg.NewPtrCreateACLsRequest()
	a := kmsg.NewCreateACLsRequestCreation()
	a.ResourceType, a.ResourceName, a.ResourcePatternType = kmsg.ACLResourceTypeTopic, "out", kmsg.ACLResourcePatternTypeLiteral
	a.Principal, a.Host, a.Operation, a.PermissionType = "User:clerk", "*", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeAllow
	allow.Creations = append(allow.Creations, a)
	answer, err := allow.RequestWith(ctx, chief)
	must(t, err)
	must(t, kerr.ErrorForCode(answer.Results[0].ErrorCode))
	must(t, g.Write(ctx, rawRecords(1, 3)))
	reader := &consumer{client: client(t, c.ListenAddrs(), append(as("chief", "secret"), kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)}
	wantValues(t, reader.wait(t, 3), 3)
}

// TestSASLAndTLS: options of franz-go's client reach it, at both ends.
func TestSASLAndTLS(t *testing.T) {
	https := httptest.NewTLSServer(nil) // it has a certificate of 127.0.0.1
	defer https.Close()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "in", "out"), kfake.TLS(&tls.Config{Certificates: https.TLS.Certificates}),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "chief", "secret"))
	must(t, err)
	defer c.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(https.Certificate())
	access := []kgo.Opt{kgo.DialTLSConfig(&tls.Config{RootCAs: authorities}), kgo.SASL(scram.Auth{User: "chief", Pass: "secret"}.AsSha512Mechanism())}
	w := newWorld(t, c.ListenAddrs())
	w.ingress.Client, w.egress.Client = access, access
	produceOrders(t, client(t, w.brokers, access...), "in", order{"a", 1}, order{"a", 2})
	w.open()
	out := &consumer{client: client(t, w.brokers, append(access, kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)}
	if all := out.wait(t, 2); len(all) != 2 {
		t.Errorf("%d records", len(all))
	}
	w.close()
	_, err = rawEgress(t, w.brokers, kafka.EgressOptions{Client: access[1:]}).Position()
	wantErr(t, err, engine.ErrNoPosition, "TLS")
}

// TestWrongBroker: what listens there is no broker. The engine opens, the egress says whom it has asked, and nothing is lost.
func TestWrongBroker(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	w := newWorld(t, []string{address})
	w.open()
	must(t, w.engine.Do(ctx, enter.On("a", 1)))
	eventually(t, "the egress is told to have no broker", func() bool { return w.log.has("egress", "events", "does not tell its position", address) })
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := w.engine.Close(short); err == nil || !strings.Contains(err.Error(), `egress "events" has not taken 1 records; they come again`) {
		t.Errorf("the engine ended with %v", err)
	}

	c := fake(t, 1, "in", "out")
	w.ingress.Brokers, w.egress.Brokers = c.ListenAddrs(), c.ListenAddrs()
	w.open()
	consume(t, c.ListenAddrs(), "out").wait(t, 1)
	w.close()
}
