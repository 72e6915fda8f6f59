package s3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rescore/partition/store/s3"
)

func TestTheEnvironmentOfAWSToolsIsTaken(t *testing.T) {
	dir := t.TempDir()
	config, secrets := filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	check(t, os.WriteFile(config, []byte("[default]\nregion = eu-west-1\n[profile night]\nregion = cn-north-1\nendpoint_url = https://nas:9000\n"), 0o600))
	check(t, os.WriteFile(secrets, []byte("[night]\naws_access_key_id = k\naws_secret_access_key = s\n"), 0o600))
	for _, c := range []struct {
		name                  string
		env                   map[string]string
		endpoint, region, key string
		hostStyle             bool
		bucket, wrong         string
	}{
		{name: "nothing but keys", env: map[string]string{"AWS_ACCESS_KEY_ID": "k1", "AWS_SECRET_ACCESS_KEY": "s"}, endpoint: "https://s3.eu-west-1.amazonaws.com", region: "eu-west-1", key: "k1", hostStyle: true},
		{name: "a profile", env: map[string]string{"AWS_PROFILE": "night"}, endpoint: "https://nas:9000", region: "cn-north-1", key: "k"},
		{name: "variables before the profile", env: map[string]string{"AWS_PROFILE": "night", "AWS_ENDPOINT_URL": "http://a", "AWS_DEFAULT_REGION": "r"}, endpoint: "http://a", region: "r", key: "k"},
		{name: "the service's own first", env: map[string]string{"AWS_PROFILE": "night", "AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b", "AWS_DEFAULT_REGION": "r", "AWS_REGION": "q"}, endpoint: "http://b", region: "q", key: "k"},
		{name: "China", env: map[string]string{"AWS_PROFILE": "night", "AWS_ENDPOINT_URL": "", "AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_REGION": "cn-north-1"}, endpoint: "https://s3.cn-north-1.amazonaws.com.cn", region: "cn-north-1", key: "k", hostStyle: true},
		{name: "host style elsewhere", env: map[string]string{"AWS_PROFILE": "night", "RESCORE_S3_ADDRESSING": "host"}, endpoint: "https://nas:9000", region: "cn-north-1", key: "k", hostStyle: true},
		{name: "a dotted bucket", bucket: "a.b", env: map[string]string{"AWS_ACCESS_KEY_ID": "k1", "AWS_SECRET_ACCESS_KEY": "s"}, endpoint: "https://s3.eu-west-1.amazonaws.com", region: "eu-west-1", key: "k1"},
		{name: "no addressing", env: map[string]string{"RESCORE_S3_ADDRESSING": "dns"}, wrong: "RESCORE_S3_ADDRESSING"},
		{name: "no authorities", env: map[string]string{"AWS_CA_BUNDLE": secrets}, wrong: "AWS_CA_BUNDLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "RESCORE_S3_ADDRESSING"} {
				t.Setenv(name, "")
			}
			t.Setenv("AWS_CONFIG_FILE", config)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", secrets)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			if c.bucket == "" {
				c.bucket = "bucket"
			}
			o, err := s3.FromEnvironment(c.bucket)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("got %v, want it to name %s", err, c.wrong)
				}
				return
			}
			check(t, err)
			v, err := o.Credentials.GetWithContext(nil)
			check(t, err)
			if o.Endpoint != c.endpoint || o.Region != c.region || o.HostStyle != c.hostStyle || v.AccessKeyID != c.key {
				t.Errorf("got %s, %s, host style %t, key %s", o.Endpoint, o.Region, o.HostStyle, v.AccessKeyID)
			}
		})
	}
}
