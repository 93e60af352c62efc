package server

// openAPI is the OpenAPI 3.1 document of the users' functions on the plain HTTP routes.
func (c *catalogue) openAPI() []byte {
	s := newSchemas("#/components/schemas/")
	s.defined["ConcordatError"] = errorSchema() // first, so that no type of the user's gets its name
	paths := schema{}
	for _, f := range c.all {
		if !f.isOwn() {
			paths["/v1/"+f.path] = f.describePath(s)
		}
	}
	for _, t := range c.types {
		paths["/v1/request/"+escape(t.Name)] = schema{"get": c.requestOperation(s, t.Name)}
		paths["/v1/instances/"+escape(t.Name)] = schema{"get": instancesOperation(t.Name, s.of(t.States().Go()))}
	}
	for name := range c.coordinators {
		paths["/v1/request/"+escape(name)] = schema{"get": c.requestOperation(s, name)}
	}
	return mustMarshal(schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Concordat", "version": "1",
			"description": "Operations on instances (call, ask) and coordinator functions (run). A request with the header Idempotency-Key runs once, " +
				"and its outcome is kept: to repeat it is safe.",
		},
		"paths": paths,
		"components": schema{
			"schemas":         s.defined,
			"securitySchemes": schema{"token": schema{"type": "http", "scheme": "bearer"}},
		},
		"security": []any{schema{}, schema{"token": []any{}}},
	})
}

// describePath describes the route of a function.
func (f *function) describePath(s *schemas) schema {
	operation := schema{"operationId": f.path, "summary": f.summary(), "responses": f.responses(s), "tags": []any{f.tag()}}
	var parameters []any
	if f.op != nil {
		parameters = append(parameters, parameter("query", "id", "The instance.", true))
	}
	if f.role() >= Caller {
		parameters = append(parameters, parameter("header", idempotencyKey, "The id of the request, under which it runs once.", false))
	}
	if len(parameters) > 0 {
		operation["parameters"] = parameters
	}
	if f.arg != nil {
		operation["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": s.of(f.arg.Go())}}}
	}
	path := schema{"post": operation}
	if f.role() == Reader && f.arg == nil {
		path = schema{"get": operation}
	}
	return path
}

func (f *function) tag() string {
	if f.op != nil {
		return f.op.Type.Name
	}
	return "coordinator functions"
}

// summary says in a few words what a function is.
func (f *function) summary() string {
	if f.op == nil {
		return "Runs " + f.name + ", which is " + protocolName(f.run.Protocol) + "."
	}
	does := map[string]string{
		"view": "reads an instance", "update": "changes an instance", "create": "makes an instance", "upsert": "changes an instance, or makes it",
		"delete": "removes an instance",
	}
	return f.name + " " + does[kindName(f.op.Kind)] + "."
}

func (f *function) responses(s *schemas) schema {
	all := schema{"default": schema{
		"description": "It did not succeed; the code of the error says what that means.",
		"content":     schema{"application/json": schema{"schema": schema{"$ref": s.prefix + "ConcordatError"}}},
	}}
	if f.result == nil {
		all["204"] = schema{"description": "It succeeded, and the outcome is durable."}
		return all
	}
	all["200"] = schema{
		"description": "It succeeded, and the outcome is durable: the result.",
		"content":     schema{"application/json": schema{"schema": s.of(f.result.Go())}},
	}
	return all
}

func parameter(in, name, about string, required bool) schema {
	return schema{"in": in, "name": name, "description": about, "required": required, "schema": schema{"type": "string", "minLength": 1}}
}

// answers are the responses of a route that answers with a schema.
func answers(about string, body schema) schema {
	return schema{
		"200":     schema{"description": about, "content": schema{"application/json": schema{"schema": body}}},
		"default": schema{"description": "It did not succeed.", "content": schema{"application/json": schema{"schema": schema{"$ref": "#/components/schemas/ConcordatError"}}}},
	}
}

func instancesOperation(typeName string, state schema) schema {
	limit := parameter("query", "limit", "How many, at most.", false)
	limit["schema"] = schema{"type": "integer", "minimum": 1, "maximum": maxPage, "default": defaultPage}
	one := schema{
		"type": "object", "required": []any{"id"},
		"properties": schema{"id": schema{"type": "string"}, "state": state, "error": schema{"type": "object"}},
	}
	return schema{
		"operationId": "instances/" + typeName, "summary": "Lists instances of " + typeName + " in the order of their ids.", "tags": []any{typeName},
		"parameters": []any{
			parameter("query", "from", "Where to begin: next, of the page before.", false), parameter("query", "prefix", "Only ids that begin so.", false), limit,
		},
		"responses": answers("Some instances, and where the next page begins.", schema{
			"type": "object", "required": []any{"instances"},
			"properties": schema{"instances": schema{"type": "array", "items": one}, "next": schema{"type": "string"}},
		}),
	}
}

// requestOperation describes the look-up of a request for the coordinator function, or for an instance of the type, that has a name.
func (c *catalogue) requestOperation(s *schemas, name string) schema {
	run, isType := c.coordinators[name], c.byType[name] != nil
	parameters := []any{
		parameter("query", "request", "The id of the request.", true), parameter("query", "wait", "How long to wait for its end, such as 10s.", false),
	}
	result, tag := schema{}, "coordinator functions"
	if isType {
		tag = name
		parameters = append(parameters, parameter("query", "id", "The instance that it was for.", run == nil),
			parameter("query", "operation", "The operation that it was for, to get the result.", false))
	} else if run.result != nil {
		result = s.of(run.result.Go())
	}
	return schema{
		"operationId": "request/" + name, "summary": "Looks up a request for " + name + " by its id.", "tags": []any{tag}, "parameters": parameters,
		"responses": answers("How far it is.", schema{
			"type": "object", "required": []any{"state"},
			"properties": schema{
				"state":  schema{"enum": []any{"running", "stuck", "succeeded", "failed"}},
				"result": result, "error": schema{"type": "object"},
			},
		}),
	}
}

func errorSchema() schema {
	return schema{
		"type": "object", "required": []any{"error"},
		"properties": schema{"error": schema{
			"type": "object", "required": []any{"code", "text"},
			"properties": schema{
				"code": schema{"enum": []any{
					codeFailure, codeUnknown, codeOverloaded, codeInvalid, codeNotFound, codeReusedID, codeUnauthenticated, codeForbidden,
				}},
				"text":     schema{"type": "string"},
				"failures": schema{"type": "array", "items": schema{"type": "string"}},
				"field":    schema{"type": "string", "description": "Where in the argument an invalid value is: a JSON pointer."},
			},
		}},
	}
}
