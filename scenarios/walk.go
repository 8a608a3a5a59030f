package scenarios

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
)

// clone copies a value with everything that it points to by slices, maps and
// structs. Interfaces and pointers are shared.
func clone[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(cloneValue(reflect.ValueOf(&v).Elem()))
	return out.Interface().(T)
}

func cloneValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(cloneValue(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(cloneValue(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			out.SetMapIndex(k, cloneValue(v.MapIndex(k)))
		}
		return out
	default:
		return v
	}
}

// eachTemplate visits, in one fixed order, every string that may hold a
// template: the languages of a Text, the values of a map of strings and the
// fields tagged tmpl. fn returns the string's new value.
func eachTemplate(v any, fn func(path, s string) string) {
	templates(reflect.ValueOf(v).Elem(), "", false, fn)
}

func templates(v reflect.Value, path string, tagged bool, fn func(path, s string) string) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == typeAddr || v.Type() == typePrefix {
			return
		}
		text := v.Type() == typeText
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name, ok := yamlName(f)
			if !ok {
				continue
			}
			p := name
			if path != "" {
				p = path + "." + name
			}
			templates(v.Field(i), p, text || f.Tag.Get("tmpl") != "", fn)
		}
	case reflect.Slice:
		for i := range v.Len() {
			templates(v.Index(i), fmt.Sprintf("%s[%d]", path, i), tagged, fn)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() != reflect.String {
			return
		}
		var keys []string
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		for _, k := range keys {
			kv := reflect.ValueOf(k).Convert(v.Type().Key())
			s := v.MapIndex(kv).String()
			v.SetMapIndex(kv, reflect.ValueOf(fn(path+"."+k, s)).Convert(v.Type().Elem()))
		}
	case reflect.String:
		if tagged {
			v.SetString(fn(path, v.String()))
		}
	}
}

func yamlName(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("yaml")
	for i := range len(tag) {
		if tag[i] == ',' {
			tag = tag[:i]
			break
		}
	}
	if f.Name == "BriefText" {
		return "brief", true // filled from files, a template like any text
	}
	return tag, tag != "" && tag != "-"
}

// eachAddress visits every address and prefix.
func eachAddress(v any, addr func(netip.Addr) netip.Addr, prefix func(netip.Prefix) netip.Prefix) {
	addresses(reflect.ValueOf(v).Elem(), addr, prefix)
}

func addresses(v reflect.Value, addr func(netip.Addr) netip.Addr, prefix func(netip.Prefix) netip.Prefix) {
	switch v.Type() {
	case typeAddr:
		v.Set(reflect.ValueOf(addr(v.Interface().(netip.Addr))))
		return
	case typePrefix:
		v.Set(reflect.ValueOf(prefix(v.Interface().(netip.Prefix))))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				addresses(v.Field(i), addr, prefix)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			addresses(v.Index(i), addr, prefix)
		}
	}
}
