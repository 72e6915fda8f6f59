package cluster

import (
	"fmt"
	"io"
	"os"
	"strings"

	"rescore/cmd/internal/boot"
)

// The shortest and the longest token, bytes.
const (
	tokenMin = 16
	tokenMax = 4096
)

const tokenHint = "make one with: (umask 077; openssl rand -hex 32 > token), and copy it to every machine of the cluster"

// ReadToken reads a token file: one line without spaces, that nobody else may read.
func ReadToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", boot.WithCode(fmt.Errorf("read token file: %w", err), boot.NotFound, tokenHint)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", boot.Usagef("chmod 600 "+name, "token file %s has mode %04o: others on this machine can read it, or change it", name, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, tokenMax+1))
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	switch {
	case len(data) > tokenMax || strings.ContainsAny(token, " \t\r\n"):
		return "", boot.Usagef(tokenHint, "token file %s is not one line without spaces", name)
	case len(token) < tokenMin:
		return "", boot.Usagef(tokenHint, "the token in %s has %d characters: it can be guessed, %d are the least", name, len(token), tokenMin)
	}
	return token, nil
}
