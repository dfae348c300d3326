package system

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// Servers that spoke to other vendors send their purchases here, each twice:
// they are conversions, credited to the ads that led to them, and counted once.
// What Apple tells of nobody is kept, and credited to nobody.
func TestPurchasesInTheFormatsOfOtherVendorsAreCredited(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	agent, now := c.Agents[0], time.Now()
	const idfa, gaid = "7A3CBEA0-BDF5-11E4-8DFC-AA07A5B093DB", "9c9e8a2c-bdf5-11e4-8dfc-aa07a5b093db"
	for i, keys := range []map[string]string{{"idfa": idfa}, {"gaid": gaid}, {"anonymous_id": "123.456"}} {
		c.mustPost(agent, c.ServerKey, "/v1/s2s/touch", map[string]any{"id": fmt.Sprintf("click-%d", i), "kind": "click",
			"time": at(now.Add(-24 * time.Hour)), "media_source": "google", "keys": keys})
	}
	bought := now.Add(-time.Hour)
	for _, r := range []struct {
		path, body string
		status     int
	}{
		{"/inappevent/id525463029", fmt.Sprintf(`{"appsflyer_id":"1-2","idfa":%q,"eventName":"af_purchase","eventValue":"{\"af_revenue\":\"6.50\",\"af_currency\":\"EUR\"}","eventTime":%q}`,
			idfa, bought.UTC().Format("2006-01-02 15:04:05.000")), http.StatusOK},
		{"/event", fmt.Sprintf("s2s=1&event_token=f0ob4r&event_name=purchase&gps_adid=%s&revenue=19.99&currency=EUR&created_at_unix=%d", gaid, bought.Unix()), http.StatusOK},
		{"/mp/collect?measurement_id=G-1&api_secret=" + c.ServerKey, fmt.Sprintf(`{"client_id":"123.456","timestamp_micros":%d,"events":[{"name":"purchase","params":{"currency":"EUR","value":12.5,"transaction_id":"T-1"}}]}`,
			bought.UnixMicro()), http.StatusNoContent},
		{"/.well-known/skadnetwork/report-attribution/", `{"version":"4.0","app-id":525463029,"transaction-id":"6aafb7a5-0170-41b5-bbe4-fe71dedf1e28","did-win":true}`, http.StatusOK},
	} {
		for range 2 {
			if status, _, answer := c.post(agent, c.ServerKey, r.path, []byte(r.body), nil); status != r.status {
				t.Fatalf("%s answers %d: %s", r.path, status, answer)
			}
		}
	}
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	var report struct {
		Rows []struct {
			MediaSource string `json:"media_source"`
			Conversions string `json:"conversions"`
			Revenue     string `json:"revenue"`
		} `json:"rows"`
	}
	c.Await("the credit of three purchases", func() error {
		if err := k.Try("GET", "apps/"+c.App+"/reports/attribution?model=last_touch&group_by=media_source", nil, &report); err != nil {
			return err
		}
		if len(report.Rows) != 1 || report.Rows[0].MediaSource != "google" || report.Rows[0].Conversions != "3.000000" || report.Rows[0].Revenue != "38.990000" {
			return fmt.Errorf("%+v", report.Rows)
		}
		return nil
	})
	o := c.awaitEvents(k, 7)
	if o.Clicks != 3 || o.Conversions != 3 || len(o.Revenue) != 1 || o.Revenue[0].Amount != "38.990000" || o.Revenue[0].Currency != "EUR" {
		t.Errorf("overview %+v", o)
	}
}
