# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of abidrift for bash. The tables are made from what the program says of itself; guests are asked of the store that the line means.
@TABLES@

# Of the JSON of `ls` the guests' ids and names; those that a shell would take apart are left out.
_abidrift_guests()
{
	local json
	json=$("${words[0]/#\~/$HOME}" ls --json "${means[@]}" 2>/dev/null) || return
	json=${json%%\"change_sets\"*}
	while [[ $json =~ \"(id|name)\":\"([A-Za-z0-9._-]+)\"(.*) ]]; do
		printf '%s\n' "${BASH_REMATCH[2]}"
		json=${BASH_REMATCH[3]}
	done
}

_abidrift_offer()
{
	local what=$1 typed=$2
	case $what in
	@guests) mapfile -t COMPREPLY < <(compgen -W "$(_abidrift_guests)" -- "$typed") ;;
	@facets) mapfile -t COMPREPLY < <(compgen -W "$_abidrift_facets" -- "$typed") ;;
	@sinks) mapfile -t COMPREPLY < <(compgen -W "$_abidrift_sinks" -- "$typed") ;;
	@settings)
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -W "$_abidrift_settings" -- "$typed")
		;;
	@files)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$typed")
		;;
	@stores)
		compopt -o nospace 2>/dev/null
		if [[ $typed == sqlite:* ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -P sqlite: -f -- "${typed#sqlite:}")
		else
			mapfile -t COMPREPLY < <(compgen -W sqlite: -- "$typed")
		fi
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "$what" -- "$typed") ;;
	esac
}

# Reads the line up to the word that is typed: `option` whose value that is, how many arguments stand before it, the first of them, and
# which store is meant.
_abidrift_read()
{
	local i word value
	for ((i = 2; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		if [[ $word != -* ]]; then
			((count++)) || first=$word
			continue
		fi
		value=${word#*=}
		if [[ $word != *=* && -n ${_abidrift_values[$word]+there} ]]; then
			((++i))
			if ((i == ${#words[@]} - 1)); then
				option=$word
				return
			fi
			value=${words[i]}
		fi
		case $word in
		--store | --store=*) means+=(--store "$value") ;;
		--config | --config=*) means+=(--config "$value") ;;
		esac
	done
}

_abidrift()
{
	local words=() means=() option='' count=0 first='' typed verb
	# Words as a shell takes them: bash has taken them apart at = and : too.
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
	verb=${words[1]} typed=${words[${#words[@]} - 1]}
	COMPREPLY=()
	if ((${#words[@]} <= 2)); then
		_abidrift_offer "$_abidrift_verbs" "$typed"
		return
	fi
	_abidrift_read
	if [[ -z $option && $typed == --*=* && -n ${_abidrift_values[${typed%%=*}]+there} ]]; then
		option=${typed%%=*}
		_abidrift_offer "${_abidrift_values[$option]}" "${typed#*=}"
		typed=${typed#*=}
	elif [[ -n $option ]]; then
		_abidrift_offer "${_abidrift_values[$option]}" "$typed"
	elif [[ $typed == -* ]]; then
		_abidrift_offer "${_abidrift_takes[$verb]}" "$typed"
	else
		_abidrift_offer "${_abidrift_places["$verb $count $first"]:-${_abidrift_places["$verb $count"]}}" "$typed"
	fi
	# What is before the last = or : stands on the line already.
	COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*[=:]}"}"}")
}
complete -F _abidrift abidrift
