package store

import (
	"cmp"
	"slices"

	"bty/internal/token"
)

// Tokens lists the API tokens in the order in which they were made.
func (t *Tx) Tokens() ([]token.Token, error) {
	var tokens []token.Token
	err := t.tx.Bucket(bucketTokens).ForEach(func(key, raw []byte) error {
		var one token.Token
		if err := decode(bucketTokens, key, raw, &one); err != nil {
			return err
		}
		tokens = append(tokens, one)
		return nil
	})
	slices.SortFunc(tokens, func(a, b token.Token) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return tokens, err
}

// Token returns one token, and whether there is one with this ID.
func (t *Tx) Token(id token.ID) (one token.Token, found bool, err error) {
	if id == "" {
		return one, false, nil
	}
	found, err = t.get(bucketTokens, []byte(id), &one)
	return one, found, err
}

// PutToken stores a token in place of what was there.
func (t *Tx) PutToken(one token.Token) error { return t.put(bucketTokens, []byte(one.ID), one) }

// DeleteToken removes a token.
func (t *Tx) DeleteToken(id token.ID) error { return t.delete(bucketTokens, []byte(id)) }
