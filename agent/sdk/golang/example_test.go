package unmogrowp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	unmogrowp "github.com/unmogrowp/unmogrowp/agent/sdk/golang"
)

func Example() {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"success":true}`)
	}))
	defer agent.Close()

	client, err := unmogrowp.New(unmogrowp.Options{
		Host: agent.URL, // https://events.example.com
		Key:  "YOUR_SERVER_KEY",
		Rejected: func(r unmogrowp.Rejection) {
			fmt.Println("not delivered:", r.ID, r.Code, r.Reason)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Track("Order Completed", unmogrowp.Message{
		UserID:     "ann",
		Properties: map[string]any{"order_id": "o-1", "revenue": 12.5, "currency": "EUR"},
		Consent:    unmogrowp.Consent{Attribution: unmogrowp.Granted},
	})
	fmt.Println("track:", err)
	err = client.Touch(unmogrowp.Touch{
		Kind:        unmogrowp.Click,
		MediaSource: "newsletter",
		Campaign:    "spring",
		Keys:        unmogrowp.Keys{UserID: "ann"},
	})
	fmt.Println("touch:", err)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("close:", client.Close(ctx))
	// Output:
	// track: <nil>
	// touch: <nil>
	// close: <nil>
}
