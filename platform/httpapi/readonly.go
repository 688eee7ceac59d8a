package httpapi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"troupe/platform/fault"
)

// CheckReadOnly returns an error if the body of a request has another value in a read-only
// member than the resource has now. So a client may send back what it was given, and one
// that wants to change such a member learns that it cannot. The read-only members of a body
// are pointers with the tag readOnly:"true" (nil: not sent); now is a struct with members of
// the same names.
func CheckReadOnly(body, now any) error {
	sent, current := reflect.ValueOf(body), membersOf(reflect.ValueOf(now))
	var refused *fault.Error
	for i := range sent.NumField() {
		field, value := sent.Type().Field(i), sent.Field(i)
		if field.Tag.Get("readOnly") != "true" || value.IsNil() {
			continue
		}
		name := memberName(field)
		if isSame(value.Interface(), current[name]) {
			continue
		}
		if refused == nil {
			refused = fault.New(fault.Invalid, "read_only",
				"%s is read-only, and another value than it has now was sent; leave it out, or send it as it was read", name)
		}
		refused = refused.WithField("body."+name, "is read-only")
	}
	if refused == nil {
		return nil
	}
	return refused
}

// membersOf returns the values of a struct by the names of their JSON members.
func membersOf(v reflect.Value) map[string]any {
	members := map[string]any{}
	for i := range v.NumField() {
		members[memberName(v.Type().Field(i))] = v.Field(i).Interface()
	}
	return members
}

func memberName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// isSame reports whether two values have the same JSON.
func isSame(a, b any) bool {
	one, err := json.Marshal(a)
	if err != nil {
		return false
	}
	other, err := json.Marshal(b)
	return err == nil && bytes.Equal(one, other)
}
