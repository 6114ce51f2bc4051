package api

import (
	"net/http"
	"time"

	"bty/internal/access"
	"bty/internal/event"
	"bty/internal/token"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerTokens adds the routes that decide who else gets in. A token does not open them.
func (c Config) registerTokens(mux serve.Mux) {
	mux.Handle("GET /api/v1/tokens", vary(c.Serve.Do(c.Session, c.listTokens)))
	mux.Handle("POST /api/v1/tokens", vary(c.Serve.WithBody(maxBody, c.Session, c.createToken)))
	mux.Handle("DELETE /api/v1/tokens/{id}", vary(c.Serve.Do(c.Session, c.revokeToken)))
}

func (c Config) listTokens(w http.ResponseWriter, _ *http.Request) error {
	all := c.Tokens.List()
	list := wire.TokenList{Tokens: make([]wire.Token, len(all))}
	for i, one := range all {
		list.Tokens[i] = Token(one)
	}
	serve.JSON(w, http.StatusOK, list)
	return nil
}

// Token is a token in the shape of the wire: without its hash.
func Token(one token.Token) wire.Token {
	return wire.Token{ID: string(one.ID), Name: one.Name, Scope: string(one.Scope), CreatedAt: wire.Time(one.CreatedAt),
		ExpiresAt: wire.Time(one.ExpiresAt), LastUsedAt: wire.Time(one.UsedAt), LastUsedIP: orNull(event.Address(one.UsedFrom))}
}

func (c Config) createToken(w http.ResponseWriter, r *http.Request, v body.Value) error {
	request, err := readToken(v)
	if err != nil {
		return err
	}
	made, secret, err := c.Tokens.Create(r.Context(), request, c.Client(r))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	serve.JSON(w, http.StatusCreated, wire.NewToken{Token: Token(made), Secret: secret})
	return nil
}

func readToken(v body.Value) (access.Request, error) {
	o := v.Object()
	request := access.Request{Name: o.String("name", body.Min(1), body.Max(64)),
		Scope: token.Scope(o.StringOr("scope", string(token.Read), body.OneOf(string(token.Read), string(token.Write))))}
	if expires := o.Nullable("expires_at", body.Timestamp()); expires != nil {
		request.ExpiresAt, _ = time.Parse(time.RFC3339, *expires) // the rule has settled it
	}
	return request, o.Done()
}

func (c Config) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := c.Tokens.Revoke(r.Context(), token.ID(r.PathValue("id")), c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func aboutTokens() []openapi.Operation {
	const tag = "tokens"
	return []openapi.Operation{
		{Pattern: "GET /api/v1/tokens", Tag: tag, Access: openapi.Session, Summary: "Every API token, without its secret", Details: "No token opens this route.",
			Answers: openapi.Answers(openapi.Encoded(200, wire.TokenList{}))},
		{Pattern: "POST /api/v1/tokens", Tag: tag, Access: openapi.Session, Summary: "Make an API token",
			Details: "No token opens this route. The secret in the answer is shown this once; send it as Authorization: Bearer. The scope read covers GET and the streams, write everything but passwords, tokens, restores and the Settings page.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readToken(v) }),
			Answers: openapi.Answers(openapi.Encoded(201, wire.NewToken{}), 409, 422)},
		{Pattern: "DELETE /api/v1/tokens/{id}", Tag: tag, Access: openapi.Session, Summary: "Revoke an API token at once", Details: "No token opens this route.",
			Answers: openapi.Answers(openapi.Empty(204, "revoked"), 404)},
	}
}
