package ingest

import "errors"

func (c *call) touches() *problem      { return closingProblem() }
func (c *call) pixel() *problem        { return closingProblem() }
func (c *call) settings() *problem     { return closingProblem() }
func (c *call) sourceConfig() *problem { return closingProblem() }
func (c *call) clusterInfo() *problem  { return closingProblem() }
func (c *call) click() *problem        { return closingProblem() }
func (c *call) impression() *problem   { return closingProblem() }
func isMsgpack(string, []byte) bool    { return false }
func (c *call) fromMsgpack() *problem  { return c.bodyProblem(errors.New("x")) }
