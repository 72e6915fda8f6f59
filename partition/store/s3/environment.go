package s3

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"gopkg.in/ini.v1"
)

// AddressingVariable names the environment variable that says where the bucket
// stands in a URL: path, host or auto. It is the one variable of ours; the others
// are those of every AWS tool.
const AddressingVariable = "RESCORE_S3_ADDRESSING"

// FromEnvironment returns the options of a bucket as the environment and the shared
// configuration file of the AWS tools have them:
//
//	credentials  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else the profile
//	             AWS_PROFILE of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and
//	             AWS_CONFIG_FILE (~/.aws/config); else the role of the container or machine
//	endpoint     AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url, else AWS's own
//	region       AWS_REGION, AWS_DEFAULT_REGION, the profile's region, else us-east-1
//	authorities  AWS_CA_BUNDLE, beside the system's
//	addressing   RESCORE_S3_ADDRESSING: path, host, or auto, which is host for AWS and path elsewhere
//
// Nothing of it is ever in a job file, a version or a log.
func FromEnvironment(bucket string) (Options, error) {
	profile, err := readProfile()
	if err != nil {
		return Options{}, err
	}
	o := Options{
		Bucket:   bucket,
		Endpoint: first(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), profile["endpoint_url"]),
		Region:   first(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), profile["region"], "us-east-1"),
	}
	own := o.Endpoint == ""
	if own {
		domain := "amazonaws.com"
		if strings.HasPrefix(o.Region, "cn-") {
			domain += ".cn"
		}
		o.Endpoint = "https://s3." + o.Region + "." + domain
	}
	switch how := os.Getenv(AddressingVariable); how {
	case "host":
		o.HostStyle = true
	case "path":
	case "", "auto":
		o.HostStyle = own && !strings.Contains(bucket, ".") // whose certificate would not match
	default:
		return o, fmt.Errorf("%s is none of path, host and auto", AddressingVariable)
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if role := first(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")); role != "" ||
		own && !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		chain = append(chain, &credentials.IAM{})
	}
	o.Credentials = credentials.NewChainCredentials(chain)
	var authorities *x509.CertPool
	if file := os.Getenv("AWS_CA_BUNDLE"); file != "" {
		if authorities, err = readAuthorities(file); err != nil {
			return o, err
		}
	}
	o.Transport = Transport(authorities)
	return o, nil
}

// Transport returns connections to an object store; nil authorities are the
// system's.
func Transport(authorities *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = requestsMax, requestsMax
	t.DisableCompression = true // ranges are of the bytes as they are stored
	t.ResponseHeaderTimeout = time.Minute
	t.TLSClientConfig = &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	return t
}

func readAuthorities(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read AWS_CA_BUNDLE: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("AWS_CA_BUNDLE %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// readProfile reads what the shared configuration file says beside credentials; no
// file says nothing.
func readProfile() (map[string]string, error) {
	file := os.Getenv("AWS_CONFIG_FILE")
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil
		}
		file = filepath.Join(home, ".aws", "config")
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read AWS_CONFIG_FILE: %w", err)
	}
	// An error of the parser could quote a line, and a line may be a secret.
	parsed, err := ini.LoadSources(ini.LoadOptions{AllowNestedValues: true, IgnoreInlineComment: true}, data)
	if err != nil {
		return nil, fmt.Errorf("read %s: it is no configuration file of the AWS tools", file)
	}
	name := first(os.Getenv("AWS_PROFILE"), "default")
	for _, section := range []string{"profile " + name, name} {
		if s, err := parsed.GetSection(section); err == nil {
			return s.KeysHash(), nil
		}
	}
	return nil, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// Split takes an address apart: s3://bucket/prefix. ok is false when it is none.
func Split(address string) (bucket, prefix string, ok bool) {
	u, ok := strings.CutPrefix(address, Scheme)
	if !ok {
		return "", "", false
	}
	bucket, prefix, _ = strings.Cut(u, "/")
	return bucket, strings.TrimRight(prefix, "/"), true
}

// Scheme begins the addresses of this store.
const Scheme = "s3://"
