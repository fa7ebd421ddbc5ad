// The key behind an address. A query never chooses another object; it is kept by redirects only.
function handler(event) {
    var request = event.request;
    var uri = request.uri;
    if (request.method === 'OPTIONS') return answer(204, 'No Content', uri);
    if (@CROOKED@.test(uri)) {
        request.uri = '/-missing';
    } else if (uri === '/content' || uri === '/content/') {
        request.uri = '/content/index.json';
    } else if (uri.endsWith('/')) {
        request.uri = uri + 'index.html';
    } else if (uri.lastIndexOf('.') < uri.lastIndexOf('/')) {
        return {
            statusCode: 308,
            statusDescription: 'Permanent Redirect',
            headers: {
                'location': { value: uri + '/' + query(request.querystring) },
                'cache-control': { value: '@MOVED_FOR@' }
            }
        };
    }
    return request;
}

function answer(code, words, uri) {
    var headers = { 'allow': { value: '@METHODS@' } };
    if (/^\/(content|\.well-known)(\/|$)/.test(uri)) {
        var said = @PREFLIGHT@;
        Object.keys(said).forEach(function (name) { headers[name] = { value: said[name] }; });
    }
    return { statusCode: code, statusDescription: words, headers: headers };
}

function query(fields) {
    var parts = [];
    Object.keys(fields).forEach(function (name) {
        (fields[name].multiValue || [fields[name]]).forEach(function (one) {
            parts.push(one.value === '' ? name : name + '=' + encoded(one.value));
        });
    });
    return parts.length ? '?' + parts.join('&') : '';
}

// Encoded once, whether it comes decoded or not.
function encoded(value) {
    try {
        return encodeURIComponent(decodeURIComponent(value));
    } catch (error) {
        return encodeURIComponent(value);
    }
}
