// Package attribution decides which touches a conversion is credited to.
package attribution
