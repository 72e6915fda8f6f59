package hdfs

import "testing"

func TestAddressesAreAClusterAndAFolder(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"hdfs://namenode:8020/data/churn/": {"namenode:8020", "data/churn"},
		"hdfs://service/data":              {"service", "data"},
		"hdfs:///data":                     {"", "data"},
		"hdfs://namenode":                  {"namenode", ""},
	} {
		if cluster, folder, ok := Split(address); !ok || cluster != want[0] || folder != want[1] {
			t.Errorf("%s is %q and %q", address, cluster, folder)
		}
	}
	if _, _, ok := Split("/data/hdfs:"); ok {
		t.Error("a folder's path was taken for an address")
	}
}
