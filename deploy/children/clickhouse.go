package children

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/pass"
)

// ClickHouse is a real server of its own: native protocol and HTTP on the
// loopback interface. Fill in the fields, then call Start; the zero value of
// all but Software and Dir is usable. One goroutine calls Start, Stop and Kill.
//
// Inserts survive a kill at any moment. That they survive a power cut too takes
// the fsync settings on each table; those are the warehouse's business.
type ClickHouse struct {
	Software Software
	// Dir holds data, configuration, password and log, and is made if missing.
	Dir string
	// NativePort and HTTPPort are wishes; 0 means any. After Start they are the
	// ports that the server really has.
	NativePort, HTTPPort int
	// MemoryBytes bounds the memory of the server; 0 means 3 GiB.
	MemoryBytes int64
	// ExtraConfig is XML for the inside of <clickhouse>, such as remote_servers.
	ExtraConfig string
	// Databases are those in which people's questions are kept apart by app; see
	// package pass. The engine cannot learn of more while it runs. None means the
	// one database of this system, unmogrowp.
	Databases []string

	password    string
	privatePort int      // where the library listens, behind the relay
	process     *Process // nil until the server was up once
}

const (
	clickHouseUser     = "unmogrowp"
	clickHouseFarewell = 2 * time.Second
	maxAnswerBytes     = 1 << 20

	// The last query keeps the engine up: it never ends.
	clickHouseBoot  = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT count() FROM system.numbers WHERE sleepEachRow(0.25) SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0;\n"
	clickHouseUsers = `<clickhouse>
  <profiles><default/><%[3]s>%[5]s</%[3]s></profiles>
  <quotas><default/></quotas>
  <users>
    <!-- The engine runs its boot queries as default, without a password. This user can do nothing else. -->
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.numbers</query></grants>
    </default>
    <%[1]s>
      <password_sha256_hex>%[2]s</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <access_management>1</access_management>
    </%[1]s>
    <!-- Reads for people: see package pass. -->
    <%[3]s>
      <password_sha256_hex>%[4]s</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>%[3]s</profile><quota>default</quota>
      <grants>%[6]s</grants>
      <databases>%[7]s</databases>
    </%[3]s>
  </users>
</clickhouse>
`
	clickHouseConfig = `<clickhouse>
  <path>%s</path>
  <users_config>%s</users_config>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>%d</tcp_port>
  <http_port>%d</http_port>
  <log-level>warning</log-level>
  <logger><level>warning</level><console>1</console></logger>
  <max_server_memory_usage>%d</max_server_memory_usage>
  <mark_cache_size>268435456</mark_cache_size>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <asynchronous_metrics_update_period_s>60</asynchronous_metrics_update_period_s>
%s
</clickhouse>
`
)

// Start starts the server and returns when it answers.
func (c *ClickHouse) Start(ctx context.Context) error {
	if c.Software.Library == "" || c.Software.Launcher == "" {
		return errors.New("start ClickHouse: no package for this platform; give the DSN of a real server instead")
	}
	if running(c.process) {
		return errors.New("start ClickHouse: it is running")
	}
	return try(ctx, c.start)
}

// start is one attempt. It fails when somebody takes a port between the choice
// and the listening, which another attempt cures.
func (c *ClickHouse) start(ctx context.Context) error {
	if err := c.configure(); err != nil {
		return fmt.Errorf("configure ClickHouse in %s: %w", c.Dir, err)
	}
	process, err := Start(Command{
		Name: "ClickHouse",
		Path: c.Software.Launcher,
		Args: []string{c.relay(), c.Software.Library, "clickhouse", "--config-file=" + c.file("config.xml"), "--queries-file=" + c.file("boot.sql")},
		Dir:  c.Dir,
		Log:  c.file("server.log"),
	})
	if err != nil {
		return err
	}
	if err := process.Await(ctx, c.probe); err != nil {
		return errors.Join(err, process.Kill())
	}
	c.process = process
	return nil
}

func (c *ClickHouse) configure() error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if c.password, err = passwordFile(c.file("password")); err != nil {
		return err
	}
	if c.NativePort, err = serverPort(c.NativePort, c.process != nil); err != nil {
		return err
	}
	if c.HTTPPort, err = serverPort(c.HTTPPort, c.process != nil); err != nil {
		return err
	}
	if c.privatePort, err = FreePort(0); err != nil {
		return err
	}
	memory := c.MemoryBytes
	if memory == 0 {
		memory = 3 << 30
	}
	files := map[string]string{
		"boot.sql":   clickHouseBoot,
		"users.xml":  c.users(),
		"config.xml": fmt.Sprintf(clickHouseConfig, escape(c.file("data")), escape(c.file("users.xml")), c.privatePort, c.HTTPPort, memory, c.ExtraConfig),
	}
	for name, content := range files {
		if err := os.WriteFile(c.file(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// users is the content of users.xml. The engine cannot store users and policies
// that SQL makes, so the reader is among those of the file.
func (c *ClickHouse) users() string {
	reader, _ := pass.ReaderOf(clickHouseUser, c.password)
	var profile, constraints, grants, policies strings.Builder
	for _, s := range pass.Limits() {
		fmt.Fprintf(&profile, "<%s>%d</%[1]s>", s.Name, s.Value)
		fmt.Fprintf(&constraints, "<%s><min>1</min><max>%d</max></%[1]s>", s.Name, s.Value)
	}
	databases := c.Databases
	if len(databases) == 0 {
		databases = []string{clickHouseUser}
	}
	for _, name := range databases {
		fmt.Fprintf(&grants, "<query>GRANT SELECT ON %s.*</query>", name)
		fmt.Fprintf(&policies, `<%s><table name=""><filter>%s</filter></table></%[1]s>`, name, escape(reader.Filter()))
	}
	return fmt.Sprintf(clickHouseUsers, clickHouseUser, sha256Hex(c.password), reader.Name, reader.PasswordHash(),
		"<readonly>2</readonly>"+profile.String()+"<constraints><readonly><readonly/></readonly>"+constraints.String()+"</constraints>",
		grants.String(), policies.String())
}

// relay is where the launcher serves the native protocol, and where the library
// does.
func (c *ClickHouse) relay() string { return loopback(c.NativePort) + "=" + loopback(c.privatePort) }

func (c *ClickHouse) file(name string) string { return filepath.Join(c.Dir, name) }

func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return text // a strings.Builder cannot fail
	}
	return b.String()
}

// probe succeeds when both ports answer, and only for the server with our
// password: a stranger on the port is not ours.
func (c *ClickHouse) probe(ctx context.Context) error {
	if err := c.Exec(ctx, "SELECT 1"); err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", loopback(c.NativePort))
	if err != nil {
		return err
	}
	return conn.Close()
}

// Exec runs one statement over HTTP and drops the answer.
func (c *ClickHouse) Exec(ctx context.Context, statement string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.HTTPURL(), strings.NewReader(statement))
	if err != nil {
		return fmt.Errorf("query ClickHouse: %w", err)
	}
	request.SetBasicAuth(clickHouseUser, c.password)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("query ClickHouse: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read answer of ClickHouse: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("query ClickHouse: %s: %s", response.Status, answer)
	}
	return nil
}

// DSN is the clickhouse-go address of a database of the running server.
func (c *ClickHouse) DSN(database string) string {
	return (&url.URL{
		Scheme: "clickhouse",
		User:   url.UserPassword(clickHouseUser, c.password),
		Host:   loopback(c.NativePort),
		Path:   "/" + database,
	}).String()
}

// HTTPURL is the address of the HTTP interface, without the password.
func (c *ClickHouse) HTTPURL() string { return "http://127.0.0.1:" + strconv.Itoa(c.HTTPPort) + "/" }

// Process is the running or last child, or nil before Start.
func (c *ClickHouse) Process() *Process { return c.process }

// Stop ends the server cleanly: the engine shuts down when its boot query ends,
// while SIGTERM is as sudden to it as a kill. But while clients are connected it
// would wait 5 s for them, so Stop soon resorts to the signal. Without a running
// server it does nothing.
func (c *ClickHouse) Stop() error {
	if !running(c.process) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), clickHouseFarewell)
	defer cancel()
	if err := c.Exec(ctx, "KILL QUERY WHERE user = '' ASYNC"); err == nil {
		select {
		case <-c.process.Done():
		case <-ctx.Done():
		}
	}
	return c.process.Stop()
}

// Kill ends the server as a crash does.
func (c *ClickHouse) Kill() error { return kill(c.process) }
