package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"
)

// cookieName and the age of a sign-in are those that clients know.
const (
	cookieName = "bty-token"
	maxAge     = 7 * 24 * time.Hour
)

// SignedIn reports whether the request carries a cookie of ours that is still good.
func (a *Auth) SignedIn(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], a.sign(raw[:8])) {
		return false
	}
	return a.Now().Unix() < int64(binary.BigEndian.Uint64(raw))
}

// SignIn sets the cookie of somebody who gave the password.
func (a *Auth) SignIn(w http.ResponseWriter) {
	signed := binary.BigEndian.AppendUint64(nil, uint64(a.Now().Add(maxAge).Unix()))
	signed = append(signed, a.sign(signed)...)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: base64.RawURLEncoding.EncodeToString(signed),
		Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// SignOut takes the cookie back.
func (a *Auth) SignOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: "null", Path: "/", MaxAge: -1, Expires: time.Unix(0, 0), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func (a *Auth) sign(message []byte) []byte {
	mac := hmac.New(sha256.New, a.inForce.Load().key)
	mac.Write(message)
	return mac.Sum(nil)
}
