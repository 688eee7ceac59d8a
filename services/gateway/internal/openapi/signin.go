package openapi

// passwordFlow is the name of the security scheme with which a page such as /docs gets a
// token by itself.
const passwordFlow = "password"

// addPasswordFlow offers the password grant of OAuth wherever a token is accepted, if the
// operation that issues tokens is exposed.
func addPasswordFlow(paths, components Document) {
	token, _ := paths["/token"].(Document)
	if token["post"] == nil {
		return
	}
	member(components, "securitySchemes")[passwordFlow] = Document{
		"type": "oauth2", "description": "Signs in at POST /token. No client_id and no client_secret are needed.",
		"flows": Document{"password": Document{"tokenUrl": originMark + "/token", "scopes": Document{}}},
	}
	for _, item := range paths {
		for _, operation := range item.(Document) {
			offerPasswordFlow(operation.(Document))
		}
	}
}

func offerPasswordFlow(operation Document) {
	security, _ := operation["security"].([]any)
	for _, requirement := range security {
		if r, _ := requirement.(Document); r["bearer"] != nil {
			operation["security"] = append(security, Document{passwordFlow: []any{}})
			return
		}
	}
}

// statePublic writes the requirements of an operation that needs no token as generators
// expect it: as none, not as a single empty one.
func statePublic(operation Document) {
	security, _ := operation["security"].([]any)
	if len(security) != 1 {
		return
	}
	if r, ok := security[0].(Document); ok && len(r) == 0 {
		operation["security"] = []any{}
	}
}
