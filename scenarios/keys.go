package scenarios

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"text/template"
	"time"
	"unicode/utf16"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"golang.org/x/crypto/md4" //nolint:staticcheck // the NT hash is MD4 by definition; Samba reads nothing else
	"golang.org/x/crypto/ssh"
)

// keyFunctions give keys, certificates and password hashes: all from the seed,
// so that two expansions are the same byte for byte.
func (e *environment) keyFunctions() template.FuncMap {
	fns := template.FuncMap{
		"sshHostKey": func(node string) (string, error) {
			return e.ofNode(node, func() (string, error) { return e.sshPrivate("host/"+node, "root@"+node) })
		},
		"sshHostPub": func(node string) (string, error) {
			return e.ofNode(node, func() (string, error) { return e.sshPublic("host/"+node, "root@"+node) })
		},
		"sshKey": func(name string) (string, error) { return e.sshPrivate("user/"+name, name) },
		"sshPub": func(name string, comment ...string) (string, error) {
			return e.sshPublic("user/"+name, strings.Join(append(comment, name)[:1], ""))
		},
		"knownHosts": e.knownHosts,
		"caCert":     func() (string, error) { c, err := e.authority(); return pemOf("CERTIFICATE", c), err },
		"cert":       e.certificate,
		"certKey": func(node string) (string, error) {
			return e.ofNode(node, func() (string, error) {
				der, err := x509.MarshalPKCS8PrivateKey(e.key("tls/" + node))
				return pemOf("PRIVATE KEY", der), err
			})
		},
	}
	for name, fn := range map[string]func(string, string) (string, error){
		"crypt": shaCrypt, "ssha": ssha, "nthash": ntHash, "scram": scram,
	} {
		hash := func(text string) (string, error) {
			return once(e.site.memo, name+"\x00"+text, func() (string, error) {
				salt := fmt.Sprintf("%x", derive(e.site.Seed, "salt/"+name+"/"+text))
				return fn(text, salt[:16])
			})
		}
		fns[name+"Text"] = hash
		fns[name] = func(id string) (string, error) {
			v, err := e.secret(id)
			if err != nil {
				return "", err
			}
			return hash(v)
		}
	}
	return fns
}

func (e *environment) ofNode(node string, fn func() (string, error)) (string, error) {
	if _, err := e.site.node(node); err != nil {
		return "", err
	}
	return fn()
}

// key is the Ed25519 key of a name.
func (e *environment) key(name string) ed25519.PrivateKey {
	seed := derive(e.site.Seed, "key/"+name)
	return ed25519.NewKeyFromSeed(seed[:])
}

func (e *environment) sshPublic(name, comment string) (string, error) {
	pub, err := ssh.NewPublicKey(e.key(name).Public())
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " " + comment, nil
}

// sshPrivate writes OpenSSH's own format (PROTOCOL.key of OpenSSH). The
// library's writer takes its check number from the system's random source,
// which would make two expansions differ.
func (e *environment) sshPrivate(name, comment string) (string, error) {
	key := e.key(name)
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	h := derive(e.site.Seed, "check/"+name)
	check := binary.BigEndian.Uint32(h[:4])
	block := ssh.Marshal(struct {
		Check1, Check2 uint32
		Type           string
		Pub, Priv      []byte
		Comment        string
	}{check, check, ssh.KeyAlgoED25519, key.Public().(ed25519.PublicKey), key, comment})
	for i := byte(1); len(block)%8 != 0; i++ {
		block = append(block, i)
	}
	body := ssh.Marshal(struct {
		Cipher, KDF, KDFOptions string
		Keys                    uint32
		Pub, Block              []byte
	}{"none", "none", "", 1, pub.Marshal(), block})
	return pemOf("OPENSSH PRIVATE KEY", append([]byte("openssh-key-v1\x00"), body...)), nil
}

// knownHosts lists the host keys of every node of the perimeter that has a
// fixed address, by name and address.
func (e *environment) knownHosts() (string, error) {
	var b strings.Builder
	for _, n := range e.nodes(func(n *Node) bool { return n.Perimeter }) {
		names := []string{n.Name, n.Name + "." + e.site.Company.Domain}
		for _, i := range n.Interfaces {
			if i.Address.IsValid() {
				names = append(names, i.Address.String())
			}
		}
		pub, err := e.sshPublic("host/"+n.Name, "")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %s\n", strings.Join(names, ","), strings.TrimSpace(pub))
	}
	return b.String(), nil
}

func pemOf(kind string, der []byte) string {
	if der == nil {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// The validity of certificates is fixed: a moving one would make two expansions
// differ, and scenarios about expiry mint their own.
var (
	validFrom  = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(2044, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (e *environment) serial(name string) *big.Int {
	h := derive(e.site.Seed, "serial/"+name)
	h[0] &= 0x7f
	return new(big.Int).SetBytes(h[:16])
}

func (e *environment) authorityTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          e.serial("ca"),
		Subject:               pkix.Name{Organization: []string{e.site.Company.Name}, CommonName: "CA interne " + e.site.Company.Name},
		NotBefore:             validFrom,
		NotAfter:              validUntil,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (e *environment) authority() ([]byte, error) {
	t, key := e.authorityTemplate(), e.key("ca")
	return x509.CreateCertificate(nil, t, t, key.Public(), key)
}

// certificate is the server certificate of a node for its name, its addresses
// and the further names given.
func (e *environment) certificate(node string, names ...string) (string, error) {
	n, err := e.site.node(node)
	if err != nil {
		return "", err
	}
	fqdn, err := e.fqdn(node)
	if err != nil {
		return "", err
	}
	t := &x509.Certificate{
		SerialNumber: e.serial("tls/" + node + strings.Join(names, ",")),
		Subject:      pkix.Name{Organization: []string{e.site.Company.Name}, CommonName: fqdn},
		NotBefore:    validFrom,
		NotAfter:     validUntil,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     append([]string{fqdn, node}, names...),
	}
	for _, i := range n.Interfaces {
		if i.Address.IsValid() {
			t.IPAddresses = append(t.IPAddresses, net.IP(i.Address.AsSlice()))
		}
	}
	// Ed25519 signatures are deterministic (RFC 8032 5.1.6): no random source.
	der, err := x509.CreateCertificate(nil, t, e.authorityTemplate(), e.key("tls/"+node).Public(), e.key("ca"))
	return pemOf("CERTIFICATE", der), err
}

// shaCrypt is crypt(5)'s $6$ with the default 5,000 rounds.
func shaCrypt(text, salt string) (string, error) {
	h, err := shacrypt.New(shacrypt.WithVariant(shacrypt.VariantSHA512), shacrypt.WithIterations(5000))
	if err != nil {
		return "", err
	}
	d, err := h.HashWithSalt(text, []byte(salt))
	if err != nil {
		return "", err
	}
	return d.Encode(), nil
}

// ssha is the salted SHA-1 of OpenLDAP (slapd.conf(5), password-hash).
func ssha(text, salt string) (string, error) {
	sum := sha1.Sum([]byte(text + salt[:8]))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt[:8]...)), nil
}

// ntHash is what Samba keeps: MD4 of the password in UTF-16.
func ntHash(text, _ string) (string, error) {
	h := md4.New()
	for _, c := range utf16.Encode([]rune(text)) {
		h.Write([]byte{byte(c), byte(c >> 8)})
	}
	return fmt.Sprintf("%X", h.Sum(nil)), nil
}

// scram is PostgreSQL's verifier (RFC 5803 with 4,096 rounds, as
// pg_be_scram_build_secret writes it).
func scram(text, salt string) (string, error) {
	const rounds = 4096
	salted, err := pbkdf2.Key(sha256.New, text, []byte(salt), rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	mac := func(msg string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(msg))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64([]byte(salt)), b64(stored[:]), b64(mac("Server Key"))), nil
}
