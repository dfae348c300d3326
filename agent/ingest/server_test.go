package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// pipes is a listener whose connections live in memory, so that time can be
// virtual.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.accept <- server
	return client
}

// start runs a part until the test ends and returns how to stop it.
func start(t *testing.T, d *door, l net.Listener) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { done <- (&Part{Handler: d.Handler, Listener: l, Grace: 3 * time.Second}).Run(ctx) })
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = <-done
			wg.Wait()
		})
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func TestServesHTTP1AndHTTP2WithoutTLS(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t)
	stop := start(t, d, l)
	for _, version := range [...]int{1, 2} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == 1)
		protocols.SetUnencryptedHTTP2(version == 2)
		transport := &http.Transport{Protocols: protocols}
		client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		request, err := http.NewRequest("POST", "http://"+l.Addr().String()+"/v1/batch", bytes.NewReader(sampleBatch(100)))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != version || string(body) != `{"success":true}` {
			t.Errorf("HTTP/%d: %d %s over %s, %v", version, answer.StatusCode, body, answer.Proto, err)
		}
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
		if n := len(d.buffer.taken()); n != 100 {
			t.Errorf("HTTP/%d: %d events", version, n)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		first  string
		drip   string
		within time.Duration
	}{
		"headers": {"POST /v1/batch HTTP/1.1\r\n", "X", 6 * time.Second},
		"body":    {"POST /v1/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + clientKey + "\r\nContent-Length: 1000\r\n\r\n", " ", 16 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, l := newDoor(t, func(o *Options) { o.Now = nil }), newPipes()
				stop := start(t, d, l)
				conn := l.dial()
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := conn.Write([]byte(c.first))
					for err == nil {
						time.Sleep(time.Second)
						_, err = conn.Write([]byte(c.drip))
					}
				})
				answer, err := io.ReadAll(conn)
				if name == "body" && !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
					t.Errorf("answer %.40q, want one after which SDKs try again", answer)
				}
				if took := time.Since(begin); took > c.within || err != nil && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("closed after %s (%v), want at most %s", took, err, c.within)
				}
				_ = conn.Close()
				wg.Wait()
				if err := stop(); err != nil {
					t.Error(err)
				}
				if n := len(d.buffer.taken()); n != 0 {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}

func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, l := newDoor(t), newPipes()
		d.buffer.wait = func(ctx context.Context, _ uint64) error { <-ctx.Done(); return ctx.Err() }
		stop := start(t, d, l)
		conn := l.dial()
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/track?sync=true HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", clientKey, len(track), track)
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() {
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Error(err)
				return
			}
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != 503 || !strings.Contains(string(body), "not_confirmed") {
				t.Errorf("answer %d %s", answer.StatusCode, body)
			}
		})
		begin := time.Now()
		if err := stop(); err != nil || time.Since(begin) > time.Second {
			t.Errorf("stopped after %s: %v", time.Since(begin), err)
		}
		wg.Wait()
	})
}

func TestHugeHeadersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, l := newDoor(t), newPipes()
		stop := start(t, d, l)
		conn := l.dial()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = fmt.Fprintf(conn, "GET /c/x HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
		})
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != 431 {
			t.Errorf("%v, %v", answer, err)
		}
		_ = conn.Close()
		wg.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Requests at once share pooled memory; none may see another's.
func TestConcurrentRequestsDoNotMix(t *testing.T) {
	d := newDoor(t, func(o *Options) { o.NewID = nil })
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("w%d-%d", worker, i)
				body := fmt.Sprintf(`{"batch":[{"type":"track","event":"%s","messageId":"%s","userId":"%s","context":{"campaign":{"source":"\u0041%s"}}}]}`, id, id, id, id)
				if w := d.send("POST", "/v1/batch", body, basic(clientKey)); w.Code != 200 {
					t.Error(w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	events := d.buffer.taken()
	if len(events) != 400 {
		t.Fatalf("%d events", len(events))
	}
	for _, e := range events {
		if e.Name != e.ID || e.UserID != e.ID || e.MediaSource != "A"+e.ID || !strings.Contains(string(e.Payload), e.ID) {
			t.Errorf("mixed: %+v", e)
		}
	}
}
