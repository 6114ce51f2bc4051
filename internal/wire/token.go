package wire

// Token is an API token as it is listed.
type Token struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Scope      string  `json:"scope"`
	CreatedAt  Time    `json:"created_at"`
	ExpiresAt  Time    `json:"expires_at"`
	LastUsedAt Time    `json:"last_used_at"` // up to a minute old after a crash
	LastUsedIP *string `json:"last_used_ip"`
}

// TokenList is the answer of GET /api/v1/tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// NewToken is a token that was just made, with its secret.
type NewToken struct {
	Token
	Secret string `json:"secret"`
}
