package password

import "testing"

// What a sign-in against an argon2id hash of ours costs.
func BenchmarkMatches(b *testing.B) {
	s, err := Parse(Hash("correct horse"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Matches("wrong")
	}
}
